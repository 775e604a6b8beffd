//! Attribute lists (RFC 8216bis §4.2): every name once, every value in the form that its attribute has.

use std::collections::BTreeMap;

/// The attributes of one tag that have not been taken yet.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    left: BTreeMap<&'a str, Value<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Quoted(&'a str),
    Bare(&'a str),
}

impl<'a> Attributes<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let mut left = BTreeMap::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').ok_or("an attribute without a value")?;
            let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(legal) {
                return Err(format!("not an attribute name: {name:?}"));
            }
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"').ok_or("an open quote")?;
                    (Value::Quoted(value), after)
                }
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    let (value, after) = after.split_at(end);
                    if value.is_empty() || value.contains([' ', '"']) {
                        return Err(format!("not a value of {name}: {value:?}"));
                    }
                    (Value::Bare(value), after)
                }
            };
            if left.insert(name, value).is_some() {
                return Err(format!("{name} twice"));
            }
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Self { left }),
                None => return Err(format!("no comma behind {name}")),
            }
        }
    }

    pub(super) fn quoted(&mut self, name: &str) -> Result<Option<&'a str>, String> {
        match self.left.remove(name) {
            Some(Value::Quoted(value)) => Ok(Some(value)),
            Some(Value::Bare(_)) => Err(format!("{name} is to be quoted")),
            None => Ok(None),
        }
    }

    pub(super) fn bare(&mut self, name: &str) -> Result<Option<&'a str>, String> {
        match self.left.remove(name) {
            Some(Value::Bare(value)) => Ok(Some(value)),
            Some(Value::Quoted(_)) => Err(format!("{name} is not to be quoted")),
            None => Ok(None),
        }
    }

    pub(super) fn float(&mut self, name: &str) -> Result<Option<f64>, String> {
        self.bare(name)?.map(float).transpose()
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<u64>, String> {
        self.bare(name)?.map(integer).transpose()
    }

    /// An attribute that is `YES`, or is left out; some may be `NO`.
    pub(super) fn yes(&mut self, name: &str) -> Result<bool, String> {
        match self.bare(name)? {
            None | Some("NO") => Ok(false),
            Some("YES") => Ok(true),
            Some(other) => Err(format!("{name}={other}")),
        }
    }

    /// Every attribute has been taken.
    pub(super) fn end(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("the attribute {name} does not belong here")),
        }
    }
}

pub(super) fn integer(text: &str) -> Result<u64, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| plain);
    number.ok_or_else(|| format!("not a decimal integer: {text:?}"))
}

pub(super) fn float(text: &str) -> Result<f64, String> {
    let legal = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let number = text.parse().ok().filter(|_: &f64| {
        text.bytes().all(legal) && text.starts_with(|c: char| c.is_ascii_digit())
    });
    number.ok_or_else(|| format!("not a decimal number: {text:?}"))
}
