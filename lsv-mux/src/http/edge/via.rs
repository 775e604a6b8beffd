//! The nodes that a request has passed, as its `Via` field (RFC 9110 §7.6.3) tells and its node may be believed.
//!
//! Nodes are believed, and what others say of the way is counted, without names: it is no reason for a node to refuse what
//! somebody else waits for as well. How many there are is the lane of the fetch: a fetch waits for fetches in the next lane
//! alone, so that none waits for itself, whatever circle the nodes form, and there are no more lanes than a way may have nodes.

use http::{HeaderMap, HeaderValue, header};
use lsv_core::cache::Lane;
use lsv_core::via::{Loop, NodeName, Via};

use super::super::problem::Problem;

/// The way of a request up to this node, which is its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way(Via);

impl Way {
    /// Reads the fields of a request at the node `name`.
    ///
    /// # Errors
    /// 508 where it says that it has been here, or passed more than there can be tiers: to the one who says so alone.
    pub(super) fn of(headers: &HeaderMap, is_node: bool, name: &NodeName) -> Result<Self, Problem> {
        let fields = headers.get_all(header::VIA).into_iter();
        let told = Via::of_fields(fields.map(|value| value.to_str().unwrap_or(UNREADABLE)));
        let way = told.and_then(|told| {
            let way = told.then(name)?;
            match is_node {
                true => Ok(way),
                false => told.anonymous().then(name),
            }
        });
        way.map(Self).map_err(|Loop| Problem::loop_detected(CIRCLE))
    }

    /// The field of the request to upstream.
    pub(super) fn field(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0.to_field()).ok()
    }

    /// In which lane of the cache it is fetched.
    pub(super) fn lane(&self) -> Lane {
        self.0.len()
    }

    /// Whether this is the first node on it.
    pub(super) fn begins_here(&self) -> bool {
        self.0.len() == 1
    }
}

/// How the node `name` stands in the field.
pub(super) fn hop(name: &NodeName) -> String {
    format!("1.1 {name}")
}

/// What the viewer is told.
pub(super) const CIRCLE: &str =
    "the nodes that the request has passed form a circle, or are too many";
const UNREADABLE: &str = "?";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(is_node: bool, fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::VIA, HeaderValue::from_str(field).unwrap());
        }
        let name = NodeName::parse("origin1").unwrap();
        let way = Way::of(&headers, is_node, &name).ok()?;
        Some(way.field().unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn each_node_says_its_name_and_knows_it_again() {
        for is_node in [true, false] {
            assert_eq!(read(is_node, &[]).as_deref(), Some("1.1 origin1"));
            assert_eq!(read(is_node, &["1.1 a, 1.1 origin1 (lsv), 1.1 b"]), None);
            assert_eq!(read(is_node, &["1.1 a", "1.1 origin1"]), None);
            assert_eq!(read(is_node, &["1.1 a,"; 9]), None);
        }
    }

    #[test]
    fn names_are_believed_of_nodes_and_others_are_counted() {
        let fields = ["HTTP/2 cdn:80 (varnish), 1.1 origin11", "1.0 origin1x"];
        let believed = "1.1 *, 1.1 origin11, 1.1 origin1x, 1.1 origin1";
        assert_eq!(read(true, &fields).as_deref(), Some(believed));
        let counted = "1.1 *, 1.1 *, 1.1 *, 1.1 origin1";
        assert_eq!(read(false, &fields).as_deref(), Some(counted));
    }
}
