//! Events of API Gateway as requests, such as hyper would have made of the same call.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lsv_core::api::Secured;
use serde::Deserialize;

/// An event, of any form of API Gateway. What a form does not have is `None`; so is what comes as `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    http_method: Option<String>,
    path: Option<String>,
    resource: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    path_parameters: Option<BTreeMap<String, String>>,
    // Format 2.0.
    route_key: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    // Both.
    #[serde(default)]
    request_context: Context,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    stage: Option<String>,
    path: Option<String>,
    identity: Option<Caller>,
    http: Option<Http>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Caller {
    source_ip: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Http {
    method: Option<String>,
    source_ip: Option<String>,
}

/// A request, and where it entered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: Request<Body>,
    pub(super) entry: Entry,
}

/// What an answer must know of its call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) format: Format,
    /// What stands before the router's paths in the client's address: `/prod` for a stage, or nothing.
    pub(super) prefix: String,
}

/// The forms that answers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Of REST APIs, and of HTTP APIs that are told so.
    V1,
    /// Of HTTP APIs and function URLs.
    V2,
}

/// Why an event is no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCall {
    #[error("the event has no method and path: the function answers API Gateway only")]
    OtherEvent,
    #[error("the event's {0} is not what it may be")]
    Malformed(&'static str),
}

impl Call {
    pub(super) fn of(event: Event) -> Result<Self, NoCall> {
        let format = match event.request_context.http {
            Some(_) => Format::V2,
            None => Format::V1,
        };
        let method = event.method().ok_or(NoCall::OtherEvent)?;
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| NoCall::Malformed("method"))?;
        let (prefix, path) = event.place().ok_or(NoCall::OtherEvent)?;
        let mut target = encoded(&path, false);
        if let Some(query) = event.query() {
            target.push('?');
            target.push_str(&query);
        }
        let uri: Uri = target.parse().map_err(|_| NoCall::Malformed("path"))?;
        let peer = event.peer();
        let headers = event.header_lines();
        let body = event.content()?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(NoCall::Malformed("header"));
            };
            request.headers_mut().append(name, value);
        }
        // They are of the connection to API Gateway; the length is that of the body before it was decoded.
        for name in [
            header::CONNECTION,
            header::TRANSFER_ENCODING,
            header::CONTENT_LENGTH,
        ] {
            request.headers_mut().remove(name);
        }
        if !body.is_empty() {
            let length = HeaderValue::from(body.len());
            request.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        *request.body_mut() = Body::from(body);
        // API Gateway speaks TLS only.
        request.extensions_mut().insert(Secured);
        if let Some(peer) = peer {
            let peer = SocketAddr::new(peer, 0);
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let entry = Entry { format, prefix };
        Ok(Self { request, entry })
    }
}

impl Event {
    fn method(&self) -> Option<&str> {
        let http = self.request_context.http.as_ref();
        http.and_then(|http| http.method.as_deref())
            .or(self.http_method.as_deref())
    }

    /// What stands before the router's path in the client's address, and the router's path.
    ///
    /// A stage is in the path of HTTP APIs and not in that of REST APIs; of a custom domain's mapping it is the other way round. What the
    /// route says decides where it can; it has names for what it leaves open, as in `/{proxy+}`.
    fn place(&self) -> Option<(String, String)> {
        let whole = self.raw_path.as_deref().or(self.path.as_deref())?;
        let path = match self.routed().filter(|routed| ends_with(whole, routed)) {
            Some(routed) => routed,
            None => self.without_stage(whole).to_owned(),
        };
        let asked = self.request_context.path.as_deref().unwrap_or(whole);
        let prefix = asked.strip_suffix(path.as_str()).unwrap_or_default();
        let prefix = prefix.trim_end_matches('/').to_owned();
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        Some((prefix, path))
    }

    /// The path that the route says: its template with the parameters in their places.
    fn routed(&self) -> Option<String> {
        let template = match (&self.resource, &self.route_key) {
            (Some(resource), _) => resource.as_str(),
            (None, Some(route)) => route.split_once(' ')?.1,
            (None, None) => return None,
        };
        let mut path = String::new();
        let mut rest = template;
        while let Some((fixed, open)) = rest.split_once('{') {
            let (name, after) = open.split_once('}')?;
            let parameters = self.path_parameters.as_ref()?;
            path.push_str(fixed);
            path.push_str(parameters.get(name.trim_end_matches('+'))?);
            rest = after;
        }
        path.push_str(rest);
        path.starts_with('/').then_some(path)
    }

    fn without_stage<'a>(&self, path: &'a str) -> &'a str {
        let Some(stage) = self.request_context.stage.as_deref() else {
            return path;
        };
        let asked = self.request_context.path.as_deref();
        let is_without = asked
            .and_then(|asked| asked.strip_prefix('/')?.strip_prefix(stage))
            .is_some_and(|rest| rest == path);
        if stage == "$default" || is_without {
            return path;
        }
        match path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(stage))
        {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// The query as it stands in an address. Format 1.0 has it decoded, with all values of a name together.
    fn query(&self) -> Option<String> {
        if let Some(raw) = &self.raw_query_string {
            let written = |byte| is_of_query(byte) || byte == b'%';
            return (!raw.is_empty()).then(|| escaped(raw, written));
        }
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&encoded(name, true));
            query.push('=');
            query.push_str(&encoded(value, true));
        };
        match (
            &self.multi_value_query_string_parameters,
            &self.query_string_parameters,
        ) {
            (Some(parameters), _) => {
                for (name, values) in parameters {
                    values.iter().for_each(|value| add(name, value));
                }
            }
            (None, Some(parameters)) => {
                parameters.iter().for_each(|(name, value)| add(name, value));
            }
            (None, None) => {}
        }
        (!query.is_empty()).then_some(query)
    }

    /// The headers, a line for each value.
    fn header_lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let several = self.multi_value_headers.iter().flatten();
        for (name, values) in several {
            lines.extend(values.iter().map(|value| (name.clone(), value.clone())));
        }
        for (name, value) in self.headers.iter().flatten() {
            let is_there = |(known, _): &(String, String)| known.eq_ignore_ascii_case(name);
            if !lines.iter().any(is_there) {
                lines.push((name.clone(), value.clone()));
            }
        }
        if let Some(cookies) = self.cookies.as_ref().filter(|cookies| !cookies.is_empty()) {
            lines.push((header::COOKIE.to_string(), cookies.join("; ")));
        }
        lines
    }

    fn content(self) -> Result<Vec<u8>, NoCall> {
        let body = self.body.unwrap_or_default();
        match self.is_base64_encoded {
            Some(true) => STANDARD.decode(body).map_err(|_| NoCall::Malformed("body")),
            _ => Ok(body.into_bytes()),
        }
    }

    /// Where the client is, as API Gateway saw it.
    fn peer(&self) -> Option<IpAddr> {
        let context = &self.request_context;
        let http = context
            .http
            .as_ref()
            .and_then(|http| http.source_ip.as_deref());
        let identity = context.identity.as_ref();
        let told = http.or_else(|| identity.and_then(|caller| caller.source_ip.as_deref()));
        told?.parse().ok()
    }
}

/// Whether `path` ends with the words of `end`.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|_| end.starts_with('/'))
}

/// A text as it stands in a path, or in a parameter of a query. What is escaped in a path already stays so.
fn encoded(text: &str, of_query: bool) -> String {
    match of_query {
        true => escaped(text, |byte| {
            is_of_query(byte) && !matches!(byte, b'&' | b'=' | b'+')
        }),
        false => escaped(text, |byte| is_of_path(byte) || byte == b'%'),
    }
}

/// Escapes what cannot be written.
fn escaped(text: &str, written: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match written(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// RFC 3986 §3.3, without `%`.
fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

/// RFC 3986 §3.4, without `%`.
fn is_of_query(byte: u8) -> bool {
    is_of_path(byte) || byte == b'?'
}
