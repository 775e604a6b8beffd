//! The fields of a request about a channel, before anything is known of them.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A JSON object as it came in, in its order; a name given twice is refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Takes the value of `name` out, if it was given.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let position = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(position).1)
    }

    /// Each name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, Value)> for Fields {
    /// Collects fields of different names.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.0.len() == MAX_FIELDS {
                return Err(de::Error::custom("more fields than a channel has"));
            }
            if fields.0.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom("a field is given twice"));
            }
            fields.0.push((name, value));
        }
        Ok(fields)
    }
}

/// Most fields in one request: twice what a channel has; keeps the search for doubles short.
const MAX_FIELDS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_floods_are_refused() {
        assert!(serde_json::from_str::<Fields>(r#"{"a":1,"b":2}"#).is_ok());
        assert!(serde_json::from_str::<Fields>(r#"{"a":1,"a":1}"#).is_err());
        assert!(serde_json::from_str::<Fields>("[]").is_err());
        let flood: Vec<_> = (0..=MAX_FIELDS).map(|n| format!("\"f{n}\":0")).collect();
        assert!(serde_json::from_str::<Fields>(&format!("{{{}}}", flood.join(","))).is_err());
    }
}
