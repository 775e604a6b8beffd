//! Which nodes of the platform a request has come through, so that no stream is ever pulled in a circle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The nodes that a request has come through, the first one first: what the `Via` field (RFC 9110 §7.6.3) is to HTTP.
///
/// Its text is their names with commas in between, and bounded: at most [`MAX_NODES`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Via(Vec<NodeName>);

/// What a node calls itself among others: 1 to 64 of `[A-Za-z0-9._-]`. No two running nodes share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(String);

impl Via {
    /// Whether `node` is among them.
    pub fn contains(&self, node: &NodeName) -> bool {
        self.0.contains(node)
    }

    /// Whether any node is among both.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|node| other.contains(node))
    }

    /// These and `node` behind them.
    ///
    /// # Errors
    /// [`Loop`] where `node` has been there before, or the way is too long to be one.
    pub fn then(&self, node: &NodeName) -> Result<Self, Loop> {
        if self.contains(node) || self.0.len() >= MAX_NODES {
            return Err(Loop);
        }
        let nodes = self.0.iter().chain([node]);
        Ok(Self(nodes.cloned().collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, as for a request of a viewer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `via` of a query; none is a viewer's.
    ///
    /// # Errors
    /// [`InvalidVia`] where it is not one.
    pub fn of_query(query: Option<&str>) -> Result<Self, InvalidVia> {
        let pairs = query.unwrap_or_default().split('&');
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='));
        match (values.next(), values.next()) {
            (None, _) => Ok(Self::default()),
            (Some(text), None) => text.parse(),
            (Some(_), Some(_)) => Err(InvalidVia),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{node}")?;
        }
        Ok(())
    }
}

impl FromStr for Via {
    type Err = InvalidVia;

    fn from_str(text: &str) -> Result<Self, InvalidVia> {
        let names = text.split(',').take(MAX_NODES + 1).map(NodeName::parse);
        let nodes: Option<Vec<NodeName>> = names.collect();
        let nodes = nodes.filter(|nodes| nodes.len() <= MAX_NODES);
        nodes.map(Self).ok_or(InvalidVia)
    }
}

impl TryFrom<String> for Via {
    type Error = InvalidVia;

    fn try_from(text: String) -> Result<Self, InvalidVia> {
        match text.as_str() {
            "" => Ok(Self::default()),
            text => text.parse(),
        }
    }
}

impl From<Via> for String {
    fn from(via: Via) -> Self {
        via.to_string()
    }
}

impl NodeName {
    /// Reads a name; `None` for a text that cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_name = (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_letter);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request has come back to a node that sent it on, or through more nodes than there are tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has been here before: nodes are each other's sources in a circle")]
pub struct Loop;

/// Not a list of node names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`via` lists at most {MAX_NODES} node names by comma, once")]
pub struct InvalidVia;

/// What the list is called in a query.
pub const PARAMETER: &str = "via";
/// Most nodes on the way from a publisher to a viewer: more tiers than anybody builds.
pub const MAX_NODES: usize = 8;
const MAX_NAME_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).unwrap()
    }

    #[test]
    fn a_way_is_told_and_read_again() {
        let via = Via::default().then(&node("a-1")).unwrap();
        let via = via.then(&node("b.2")).unwrap();
        assert_eq!(via.to_string(), "a-1,b.2");
        assert_eq!("a-1,b.2".parse(), Ok(via.clone()));
        assert_eq!(Via::of_query(Some("x=1&via=a-1,b.2")), Ok(via));
        assert_eq!(Via::of_query(Some("x=1&viaduct=y")), Ok(Via::default()));
        assert_eq!(Via::of_query(None), Ok(Via::default()));
    }

    #[test]
    fn nobody_is_passed_twice() {
        let via: Via = "a,b".parse().unwrap();
        assert_eq!(via.then(&node("a")), Err(Loop));
        assert!(via.then(&node("c")).is_ok());
        let long: Via = ["x"; MAX_NODES].join(",").parse().unwrap();
        assert_eq!(long.then(&node("y")), Err(Loop));
    }

    #[test]
    fn nonsense_is_refused() {
        let long = ["x"; MAX_NODES + 1].join(",");
        for text in ["", ",", "a,", "a b", "a/b", "ä", &long, &"x".repeat(65)] {
            assert_eq!(text.parse::<Via>(), Err(InvalidVia), "{text}");
        }
        assert_eq!(Via::of_query(Some("via=a&via=b")), Err(InvalidVia));
    }
}
