//! Which stream a client means, from what it calls application and stream name.
//!
//! Clients cut one address in different places. Of `rtmp://host/stream/cam?sign=x`, OBS sends application `stream` and
//! name `cam?sign=x`; FFmpeg, for a longer path, application `stream/a` and name `cam`; encoders with a single address
//! field, application `stream/cam?sign=x` and no name. So both are put together and cut again by one rule: the first
//! segment is the application, the rest is the name.

use std::fmt;

/// An address taken apart.
///
/// [`fmt::Debug`] shows that there is a query but not what it says: it carries credentials. Nor does it show what looks
/// like a credential in the wrong place, as in `cam&sign=..` or `cam/1670544000-a85c..`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// First segment of the path, such as `stream`; empty where the client named none.
    pub app: String,
    /// The other segments, joined by `/`; empty where there are none.
    pub name: String,
    /// What followed the `?`, undecoded; that of the stream name first, then that of the application, joined by `&`.
    pub query: Option<String>,
}

impl Target {
    /// From the two fields as they came.
    pub fn new(app: &str, stream_name: &str) -> Self {
        let (app_path, app_query) = split_query(app);
        let (name_path, name_query) = split_query(stream_name);
        let mut segments = app_path
            .split('/')
            .chain(name_path.split('/'))
            .filter(|segment| {
                // Flash Media Server calls the instance of an application that has only one so; clients repeat it.
                !segment.is_empty() && *segment != "_definst_"
            });
        let app = segments.next().unwrap_or_default().to_owned();
        let name = segments.collect::<Vec<_>>().join("/");
        let query = match (name_query, app_query) {
            (Some(name), Some(app)) if name != app => Some(format!("{name}&{app}")),
            (query, None) | (None, query) | (query, _) => query.map(str::to_owned),
        };
        Self { app, name, query }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Public(&self.app), Public(&self.name))?;
        f.write_str(if self.query.is_some() { "?.." } else { "" })
    }
}

/// The part of an address that may be logged: the path, up to where it ends or a credential begins.
pub(crate) struct Public<'a>(pub(crate) &'a str);

impl fmt::Display for Public<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self
            .0
            .split(['?', '&', '=', '%', '#'])
            .next()
            .unwrap_or_default();
        let segments = path.split_inclusive('/');
        let harmless = segments.take_while(|segment| !has_signature(segment));
        let length = harmless.map(str::len).sum();
        let shown = path.get(..length).unwrap_or_default();
        write!(f, "{}", shown.escape_debug())?;
        f.write_str(if shown.len() < self.0.len() { ".." } else { "" })
    }
}

impl fmt::Debug for Public<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Whether a text holds as many hexadecimal digits in a row as the shortest signature.
fn has_signature(text: &str) -> bool {
    let mut runs = text.split(|c: char| !c.is_ascii_hexdigit());
    runs.any(|run| run.len() >= SHORTEST_SIGNATURE)
}

/// MD5 in hexadecimal. Ids made by the platform have at most twelve digits between their dashes.
const SHORTEST_SIGNATURE: usize = 32;

/// The application in an address such as `rtmp://host:1935/stream?x=y`: what follows the host.
pub(super) fn app_of_url(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split_once('/').map_or("", |(_, app)| app)
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, "")) => (path, None),
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(app: &str, stream_name: &str, expected: (&str, &str, Option<&str>)) {
        let target = Target::new(app, stream_name);
        assert_eq!(
            (
                target.app.as_str(),
                target.name.as_str(),
                target.query.as_deref()
            ),
            expected
        );
    }

    #[test]
    fn addresses_as_clients_cut_them() {
        check(
            "stream",
            "cam?sign=1-a",
            ("stream", "cam", Some("sign=1-a")),
        );
        check("stream/", "/cam", ("stream", "cam", None));
        check(
            "stream?sign=1-a",
            "cam",
            ("stream", "cam", Some("sign=1-a")),
        );
        check(
            "stream/cam?sign=1-a",
            "",
            ("stream", "cam", Some("sign=1-a")),
        );
        check("stream/_definst_", "cam", ("stream", "cam", None));
        check("stream/a", "cam", ("stream", "a/cam", None));
        check("/stream//a/", "//cam?", ("stream", "a/cam", None));
        check("stream?a=1", "cam?b=2", ("stream", "cam", Some("b=2&a=1")));
        check("stream?a=1", "cam?a=1", ("stream", "cam", Some("a=1")));
        check("", "", ("", "", None));
        check("stream", "cam?x=a?b", ("stream", "cam", Some("x=a?b")));
    }

    #[test]
    fn application_from_the_address() {
        assert_eq!(app_of_url("rtmp://host:1935/stream?x=y"), "stream?x=y");
        assert_eq!(app_of_url("rtmp://host/stream/a"), "stream/a");
        assert_eq!(app_of_url("rtmp://host"), "");
    }

    #[test]
    fn debug_hides_credentials_wherever_they_stand() {
        let signature = "9".repeat(32);
        for (name, shown) in [
            ("cam?sign=1-a".to_owned(), "stream/cam?.."),
            ("cam&sign=1-a".to_owned(), "stream/cam.."),
            ("cam%3Fsign=1-a".to_owned(), "stream/cam.."),
            (format!("cam/1670544000-{signature}"), "stream/cam/.."),
            (format!("cam-1670544000-{signature}/720p"), "stream/.."),
            (
                "98724e64-bcd1-4887-af4a-60be440709aa/720p".to_owned(),
                "stream/98724e64-bcd1-4887-af4a-60be440709aa/720p",
            ),
            ("a\nb".to_owned(), "stream/a\\nb"),
        ] {
            assert_eq!(format!("{:?}", Target::new("stream", &name)), shown);
        }
        let url = format!("{:?}", Public("rtmp://h/a?sign=secret"));
        assert_eq!(url, "\"rtmp://h/a..\"");
    }
}
