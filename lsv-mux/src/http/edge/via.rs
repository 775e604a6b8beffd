//! The nodes that a request has passed (`Via`, RFC 9110 §7.6.3).

use http::{HeaderMap, HeaderValue, header};
use lsv_core::via::NodeName;

use super::super::problem::Problem;

/// Through whom a request came, and by what name this node hands it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Via {
    /// For the request to upstream.
    pub(super) request: HeaderValue,
}

impl Via {
    /// Reads the fields of a request at the node `name`.
    ///
    /// # Errors
    /// 508 where it has been here, or passed more nodes than there can be tiers.
    pub(super) fn of(headers: &HeaderMap, name: &NodeName) -> Result<Self, Problem> {
        let mut passed = Vec::new();
        for value in headers.get_all(header::VIA) {
            let value = value.to_str().map_err(|_| Problem::loop_detected(CIRCLE))?;
            passed.extend(
                value
                    .split(',')
                    .map(str::trim)
                    .filter(|hop| !hop.is_empty()),
            );
        }
        // Protocol, pseudonym, and maybe a comment.
        let is_own = |hop: &&str| hop.split_whitespace().nth(1) == Some(name.as_str());
        let bytes: usize = passed.iter().map(|hop| hop.len()).sum();
        if passed.len() > MAX_HOPS || bytes > MAX_BYTES || passed.iter().any(is_own) {
            return Err(Problem::loop_detected(CIRCLE));
        }
        let own = hop(name);
        passed.push(&own);
        let request = HeaderValue::from_str(&passed.join(", "));
        let request = request.map_err(|_| Problem::loop_detected(CIRCLE))?;
        Ok(Self { request })
    }
}

/// How the node `name` stands in the field.
pub(super) fn hop(name: &NodeName) -> String {
    format!("1.1 {name}")
}

/// What the viewer is told.
pub(super) const CIRCLE: &str =
    "the nodes that the request has passed form a circle, or are too many";
/// Far more than anybody has tiers.
const MAX_HOPS: usize = 8;
/// ... and than their names have characters.
const MAX_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::VIA, HeaderValue::from_str(field).unwrap());
        }
        let via = Via::of(&headers, &NodeName::parse("origin1").unwrap()).ok()?;
        Some(via.request.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_node_says_its_name_and_knows_it_again() {
        assert_eq!(read(&[]).as_deref(), Some("1.1 origin1"));
        let other = read(&["HTTP/2 cdn (varnish), 1.1 origin11", "1.0 origin1x"]);
        let expected = "HTTP/2 cdn (varnish), 1.1 origin11, 1.0 origin1x, 1.1 origin1";
        assert_eq!(other.as_deref(), Some(expected));
        assert_eq!(read(&["1.1 a, 1.1 origin1 (lsv), 1.1 b"]), None);
        assert_eq!(read(&["1.1 a", "1.1 origin1"]), None);
        assert_eq!(read(&["1.1 a,"; 9]), None);
        assert_eq!(read(&[&"x".repeat(MAX_BYTES + 1)]), None);
    }
}
