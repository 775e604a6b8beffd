//! Which nodes of the platform a request has come through, so that no stream is ever pulled in a circle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The nodes that a request has come through, the first one first: what the `Via` field (RFC 9110 §7.6.3) is to HTTP.
///
/// Its text is their names with commas in between, and bounded: at most [`MAX_NODES`] of them. What is no node of the
/// platform, such as a CDN, or cannot be believed to be one, counts and has no name: `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Via(Vec<Hop>);

/// What a node calls itself among others: 1 to 64 of `[A-Za-z0-9._-]`. No two running nodes share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(String);

impl Via {
    /// Whether `node` is among them.
    pub fn contains(&self, node: &NodeName) -> bool {
        self.nodes().any(|known| known == node)
    }

    /// The first of them; none where it has no name, or there is none.
    pub fn first(&self) -> Option<&NodeName> {
        match self.0.first()? {
            Hop::Node(node) => Some(node),
            Hop::Other => None,
        }
    }

    /// Whether any node is among both.
    pub fn meets(&self, other: &Self) -> bool {
        self.nodes().any(|node| other.contains(node))
    }

    /// These and `node` behind them.
    ///
    /// # Errors
    /// [`Loop`] where `node` has been there before, or the way is too long to be one.
    pub fn then(&self, node: &NodeName) -> Result<Self, Loop> {
        if self.contains(node) || self.0.len() >= MAX_NODES {
            return Err(Loop);
        }
        let own = Hop::Node(node.clone());
        Ok(Self(self.0.iter().cloned().chain([own]).collect()))
    }

    /// As many without their names: what somebody tells who need not tell the truth.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self(vec![Hop::Other; self.0.len()])
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

    /// The `Via` fields of an HTTP request, the first one first. Hops that are called like no node are `*`; comments are
    /// passed over.
    ///
    /// # Errors
    /// [`Loop`] where it has come through more than there are tiers.
    pub fn of_fields<'a>(fields: impl IntoIterator<Item = &'a str>) -> Result<Self, Loop> {
        let (mut hops, mut bytes) = (Vec::new(), 0_usize);
        for field in fields {
            bytes = bytes.saturating_add(field.len());
            if bytes > MAX_FIELD_BYTES {
                return Err(Loop);
            }
            let text = without_comments(field);
            let found = text.split(',').map(str::trim).filter(|hop| !hop.is_empty());
            hops.extend(found.map(Hop::of_field));
        }
        match hops.len() > MAX_NODES {
            true => Err(Loop),
            false => Ok(Self(hops)),
        }
    }

    /// The value of a `Via` field that says this.
    pub fn to_field(&self) -> String {
        let hops: Vec<String> = self.0.iter().map(|hop| format!("1.1 {hop}")).collect();
        hops.join(", ")
    }

    fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.0.iter().filter_map(|hop| match hop {
            Hop::Node(node) => Some(node),
            Hop::Other => None,
        })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, hop) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{hop}")?;
        }
        Ok(())
    }
}

impl FromStr for Via {
    type Err = InvalidVia;

    fn from_str(text: &str) -> Result<Self, InvalidVia> {
        let hops = text.split(',').take(MAX_NODES + 1).map(Hop::parse);
        let hops: Option<Vec<Hop>> = hops.collect();
        let hops = hops.filter(|hops| hops.len() <= MAX_NODES);
        hops.map(Self).ok_or(InvalidVia)
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

/// One on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hop {
    Node(NodeName),
    Other,
}

impl Hop {
    fn parse(text: &str) -> Option<Self> {
        match text {
            OTHER => Some(Self::Other),
            text => NodeName::parse(text).map(Self::Node),
        }
    }

    /// Of protocol and name.
    fn of_field(text: &str) -> Self {
        let name = text.split_whitespace().nth(1);
        name.and_then(Self::parse).unwrap_or(Self::Other)
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Other => f.write_str(OTHER),
        }
    }
}

/// `field` without its comments, which may hold commas and comments (RFC 9110 §5.6.5).
fn without_comments(field: &str) -> String {
    let (mut depth, mut is_quoted) = (0_usize, false);
    let mut text = String::with_capacity(field.len());
    for letter in field.chars() {
        match letter {
            _ if is_quoted => is_quoted = false,
            '\\' if depth > 0 => is_quoted = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            letter if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    text
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
/// What the fields of a request may say of the way together: more than the names of all nodes on it.
const MAX_FIELD_BYTES: usize = 1 << 10;
/// How one without a name is written. No node is called so.
const OTHER: &str = "*";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn fields_of_http_are_read_with_whoever_is_on_the_way() {
        let read = |fields: &[&str]| Via::of_fields(fields.iter().copied());
        assert_eq!(read(&[]), Ok(Via::default()));
        let via = read(&[
            "HTTP/2 cdn:443 (a, (b) \\), c), 1.1 a-1",
            "1.0 b.2 (lsv)",
            "",
        ]);
        let via = via.unwrap();
        assert_eq!(via.to_string(), "*,a-1,b.2");
        assert_eq!(via.to_field(), "1.1 *, 1.1 a-1, 1.1 b.2");
        assert!(via.contains(&node("a-1")) && !via.contains(&node("a")));
        let nameless = via.anonymous();
        assert_eq!(
            (nameless.to_string().as_str(), nameless.len()),
            ("*,*,*", 3)
        );
        assert!(!nameless.meets(&via) && nameless.then(&node("a-1")).is_ok());
        assert_eq!(read(&["1.1 a"; MAX_NODES]).unwrap().len(), MAX_NODES);
        assert_eq!(read(&["1.1 a,"; MAX_NODES + 1]), Err(Loop));
        assert_eq!(read(&[&",".repeat(MAX_FIELD_BYTES + 1)]), Err(Loop));
        assert_eq!(read(&["nonsense, ("]).unwrap().to_string(), "*");
    }

    proptest! {
        #[test]
        fn what_was_read_is_told_and_read_again(fields in prop::collection::vec("([ -~]{0,20}|1.1 [a-c*]{1,2}, ?){0,4}", 0..4)) {
            if let Ok(via) = Via::of_fields(fields.iter().map(String::as_str)) {
                prop_assert_eq!(Via::of_fields([via.to_field().as_str()]), Ok(via.clone()));
                prop_assert_eq!(Via::try_from(via.to_string()), Ok(via));
            }
        }
    }
}
