//! What one field of the channel record is: its name, what it accepts, and how it is read and written.

use std::fmt::Display;
use std::str::FromStr;

use lsv_auth::cidr::MAX_NETWORKS;
use lsv_auth::hotlink::MAX_HOSTS;
use serde_json::Value;

use super::address::host_of;
use super::values::MAX_TARGETS;
use super::{Color, Moment, PlayHosts, PlayNetworks, Settings, Targets, TooManyKeys};

/// One line of the table of settings.
#[derive(Debug)]
pub struct Field {
    /// The name in JSON.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    pub(super) about: &'static str,
    pub(super) read: fn(&Settings) -> Value,
    pub(super) write: fn(&mut Settings, Value) -> Result<(), serde_json::Error>,
}

impl Field {
    /// What the field means, for people.
    pub fn about(&self) -> &'static str {
        self.about.trim()
    }

    /// The field's value in canonical JSON.
    pub fn read(&self, settings: &Settings) -> Value {
        (self.read)(settings)
    }

    /// Sets the field from whatever JSON came in.
    ///
    /// # Errors
    /// [`Invalid::Value`] if the field does not accept that value; `settings` is then as it was.
    pub fn write(&self, settings: &mut Settings, value: &Value) -> Result<(), Invalid> {
        self.kind
            .canonical(value)
            .and_then(|value| (self.write)(settings, value).ok())
            .ok_or_else(|| Invalid::Value {
                field: self.name,
                accepts: self.kind.accepts(),
            })
    }
}

impl Field {
    /// Whether the field holds an address that leads to this machine or into a private network.
    pub(super) fn leads_to_private(&self, settings: &Settings) -> bool {
        let value = self.read(settings);
        let text = value.as_str().unwrap_or_default();
        let private =
            |text: &str, schemes| host_of(text, schemes).is_some_and(|host| host.is_private());
        match self.kind {
            Kind::Address(schemes) => private(text, schemes),
            Kind::Addresses(schemes) => text.split(',').any(|text| private(text.trim(), schemes)),
            _ => false,
        }
    }
}

/// What a field accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`, also as text.
    Flag,
    /// A whole number, also as text.
    Whole {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// Any text.
    Text {
        /// Its longest, in characters.
        max_chars: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A colour.
    Color,
    /// A day or a time.
    Time,
    /// Empty, or an address of one of these schemes.
    Address(&'static [&'static str]),
    /// Empty, or addresses of one of these schemes, separated by commas.
    Addresses(&'static [&'static str]),
    /// Empty, `*`, or hosts of web pages, separated by commas.
    Hosts,
    /// Empty, or networks, separated by commas.
    Networks,
}

impl Kind {
    /// What the field accepts, in words that finish the sentence "`field` accepts ...".
    pub fn accepts(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text { max_chars } => format!("text of up to {max_chars} characters"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Color => "a colour name such as red, or #rrggbb".to_owned(),
            Self::Time => {
                "YYYY-MM-DD or YYYY/M/D (the end of that day, UTC), or a time such as 2032-12-09T18:00:00Z".to_owned()
            }
            Self::Address(schemes) => {
                format!(
                    "an address that starts with {}, of up to {MAX_ADDRESS_CHARS} characters, or an empty text",
                    starts(schemes)
                )
            }
            Self::Addresses(schemes) => format!(
                "up to {MAX_TARGETS} addresses that start with {}, separated by commas, \
                 of up to {MAX_ADDRESS_CHARS} characters in all, or an empty text",
                starts(schemes)
            ),
            Self::Hosts => format!(
                "up to {MAX_HOSTS} hosts such as example.com or *.example.com, separated by commas, * for any, \
                 or an empty text"
            ),
            Self::Networks => format!(
                "up to {MAX_NETWORKS} networks such as 10.0.0.0/8 or 2001:db8::1, separated by commas, \
                 or an empty text"
            ),
        }
    }

    /// The one JSON form of a value that the field accepts: `"60"` becomes `60`, a date becomes RFC 3339.
    fn canonical(&self, value: &Value) -> Option<Value> {
        let text = value.as_str();
        match self {
            Self::Flag => match (value, text) {
                (Value::Bool(flag), _) => Some(Value::Bool(*flag)),
                (_, Some("true")) => Some(Value::Bool(true)),
                (_, Some("false")) => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Whole { min, max } => {
                let number = value.as_u64().or_else(|| whole(text?))?;
                (u64::from(*min)..=u64::from(*max))
                    .contains(&number)
                    .then(|| number.into())
            }
            Self::Text { max_chars } => text.filter(|text| fits(text, *max_chars)).map(Value::from),
            Self::Word(words) => text.filter(|text| words.contains(text)).map(Value::from),
            Self::Color => Color::parse(text?).map(|color| Value::String(color.into())),
            Self::Time => Moment::parse(text?).map(|moment| moment.to_string().into()),
            Self::Address(schemes) => text
                .filter(|text| fits(text, MAX_ADDRESS_CHARS))
                .filter(|text| text.is_empty() || host_of(text, schemes).is_some())
                .map(Value::from),
            Self::Addresses(schemes) => text
                .filter(|text| fits(text, MAX_ADDRESS_CHARS))
                .filter(|text| Targets::parse(text, schemes).is_some())
                .map(Value::from),
            Self::Hosts => spelled::<PlayHosts>(text?),
            Self::Networks => spelled::<PlayNetworks>(text?),
        }
    }
}

/// Why a request about a channel is refused; nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A field that does not exist.
    #[error("`{field}` is not a field of a channel")]
    Unknown {
        /// Its name, shortened.
        field: String,
    },
    /// A value that the field does not accept.
    #[error("`{field}` accepts {accepts}")]
    Value {
        /// Its name.
        field: &'static str,
        /// What it accepts.
        accepts: String,
    },
    /// A field that the platform makes.
    #[error("`{field}` is made by the platform; leave it out, or give it as it is")]
    Fixed {
        /// Its name.
        field: &'static str,
    },
    /// An address that leads to this machine or into a private network, where the operator does not allow that.
    #[error(
        "`{field}` must not lead to a loopback, private or link-local address unless the operator allows it \
         (allow-private-targets)"
    )]
    PrivateTarget {
        /// Its name.
        field: &'static str,
    },
    /// Moving the push expiry would need one more push key than the channel can remember.
    #[error(transparent)]
    Keys(#[from] TooManyKeys),
}

impl Invalid {
    /// The field that is at fault.
    pub fn field(&self) -> &str {
        match self {
            Self::Unknown { field } => field,
            Self::Value { field, .. } | Self::Fixed { field } | Self::PrivateTarget { field } => {
                field
            }
            Self::Keys(_) => "outdate",
        }
    }

    /// An unknown field, its name shortened to what a message can bear.
    pub(super) fn unknown(field: &str) -> Self {
        Self::Unknown {
            field: field.chars().take(MAX_SHOWN_NAME_CHARS).collect(),
        }
    }
}

fn whole(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A list in its one spelling.
fn spelled<List: FromStr + Display>(text: &str) -> Option<Value> {
    let list: List = text.parse().ok()?;
    Some(list.to_string().into())
}

fn fits(text: &str, max_chars: usize) -> bool {
    text.chars().nth(max_chars).is_none()
}

fn starts(schemes: &[&str]) -> String {
    let starts: Vec<_> = schemes
        .iter()
        .map(|scheme| format!("{scheme}://"))
        .collect();
    starts.join(" or ")
}

/// Longest text of an address field: the length that browsers and proxies agree to carry.
pub(super) const MAX_ADDRESS_CHARS: usize = 2_048;
/// How much of an unknown field's name goes into the refusal, so that an answer never grows with the request.
const MAX_SHOWN_NAME_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lenient_where_older_scripts_need_it() {
        assert_eq!(Kind::Flag.canonical(&json!("true")), Some(json!(true)));
        assert_eq!(Kind::Flag.canonical(&json!(false)), Some(json!(false)));
        let seconds = Kind::Whole { min: 1, max: 60 };
        assert_eq!(seconds.canonical(&json!("60")), Some(json!(60)));
        assert_eq!(seconds.canonical(&json!(1)), Some(json!(1)));
    }

    #[test]
    fn lists_have_one_spelling() {
        let hosts = |text: &str| Kind::Hosts.canonical(&json!(text)).unwrap();
        assert_eq!(
            hosts(" Example.COM , *.Example.com"),
            "example.com,*.example.com"
        );
        assert_eq!((hosts(" * "), hosts(" ")), (json!("*"), json!("")));
        let networks = |text: &str| Kind::Networks.canonical(&json!(text)).unwrap();
        assert_eq!(networks("10.1.2.3/8, ::1"), "10.0.0.0/8,::1/128");
        assert_eq!(networks(""), "");
    }

    #[test]
    fn strict_everywhere_else() {
        for value in [
            json!(1),
            json!("TRUE"),
            json!("yes"),
            json!(null),
            json!([true]),
            json!(""),
        ] {
            assert_eq!(Kind::Flag.canonical(&value), None, "{value}");
        }
        let seconds = Kind::Whole { min: 1, max: 60 };
        for value in [
            json!(0),
            json!(61),
            json!(-1),
            json!(1.5),
            json!("1.0"),
            json!("+1"),
            json!(" 1"),
            json!(""),
            json!(true),
            json!("99999999999999999999"),
            json!(1e300),
            json!("\u{0661}"),
        ] {
            assert_eq!(seconds.canonical(&value), None, "{value}");
        }
        let text = Kind::Text { max_chars: 3 };
        assert!(text.canonical(&json!("äöü")).is_some());
        assert_eq!(text.canonical(&json!("abcd")), None);
        assert_eq!(text.canonical(&json!(1)), None);
        for value in [
            json!("https://example.com"),
            json!("*.com, *"),
            json!(1),
            json!(["a"]),
        ] {
            assert_eq!(Kind::Hosts.canonical(&value), None, "{value}");
        }
        for value in [
            json!("10.0.0.0/33"),
            json!("example.com"),
            json!("*"),
            json!(10),
        ] {
            assert_eq!(Kind::Networks.canonical(&value), None, "{value}");
        }
        assert_eq!(Kind::Word(&["a"]).canonical(&json!("A")), None);
    }

    #[test]
    fn unknown_names_are_shortened() {
        assert_eq!(
            Invalid::unknown(&"x".repeat(10_000)).field().len(),
            MAX_SHOWN_NAME_CHARS
        );
    }
}
