//! Finding a credential in the query or the cookies of a request.

use std::fmt;

use super::{CloudFrontError, Digest, Policy, base64};
use crate::{
    playback::MAX_QUERY_BYTES,
    prefix::check_path,
    push::Expiry,
    query::{self, GivenTwice},
};

/// What of an HTTP request decides. The parts of its URL are apart, so that a host with a slash in it cannot pass for
/// another path.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `http` or `https`, as the client asked: behind a proxy that ends TLS, what that proxy says.
    pub scheme: &'a str,
    /// The value of `Host` or `:authority`, with the port where there is one.
    pub host: &'a str,
    /// The path as it was asked for, percent-encoded.
    pub path: &'a str,
    /// The query as it was asked for, without the question mark.
    pub query: Option<&'a str>,
    /// The values of all `Cookie` fields, joined by `; `.
    pub cookies: Option<&'a str>,
}

impl fmt::Debug for Request<'_> {
    /// Without query and cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The parameters of a signed URL. A page or playlist that came by a custom policy hands them on to what it names.
pub const PARAMETERS: [&str; 5] = [
    "Expires",
    "Policy",
    "Signature",
    "Key-Pair-Id",
    "Hash-Algorithm",
];

/// Most bytes of cookies that are searched.
pub const MAX_COOKIE_BYTES: usize = 16_384;

/// A part of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Expires,
    Policy,
    Signature,
    KeyPairId,
    HashAlgorithm,
}

impl Field {
    /// Its name in a query.
    pub(super) const fn parameter(self) -> &'static str {
        let [expires, policy, signature, key_pair_id, hash_algorithm] = PARAMETERS;
        match self {
            Self::Expires => expires,
            Self::Policy => policy,
            Self::Signature => signature,
            Self::KeyPairId => key_pair_id,
            Self::HashAlgorithm => hash_algorithm,
        }
    }

    /// Its name as a cookie.
    pub(super) const fn cookie(self) -> &'static str {
        match self {
            Self::Expires => "CloudFront-Expires",
            Self::Policy => "CloudFront-Policy",
            Self::Signature => "CloudFront-Signature",
            Self::KeyPairId => "CloudFront-Key-Pair-Id",
            Self::HashAlgorithm => "CloudFront-Hash-Algorithm",
        }
    }

    const fn malformed(self) -> CloudFrontError {
        CloudFrontError::Malformed(self.parameter())
    }
}

/// A credential as the client gave it, read but not believed.
pub(super) struct Credential<'a> {
    pub(super) grant: Grant,
    pub(super) signature: Vec<u8>,
    pub(super) key_pair_id: &'a str,
    pub(super) digest: Digest,
}

/// What is said to be signed.
pub(super) enum Grant {
    /// The canned policy of the URL asked for, until then.
    Canned(u64),
    /// The text of a custom policy.
    Custom(Vec<u8>),
}

impl<'a> Credential<'a> {
    /// The credential of a request: that of its URL, else that of its cookies.
    pub(super) fn of(request: &Request<'a>) -> Result<Self, CloudFrontError> {
        let query = request.query.unwrap_or_default();
        let cookies = request.cookies.unwrap_or_default();
        if query.len() > MAX_QUERY_BYTES {
            return Err(CloudFrontError::Malformed("the query"));
        }
        let in_query = |field: Field| {
            query::value(query, field.parameter()).map_err(|GivenTwice| field.malformed())
        };
        for field in [Field::Signature, Field::KeyPairId, Field::Policy] {
            if in_query(field)?.is_some() {
                return Self::read(in_query);
            }
        }
        if cookies.len() > MAX_COOKIE_BYTES {
            return Err(CloudFrontError::Malformed("the cookie"));
        }
        Self::read(|field| cookie(cookies, field))
    }

    fn read(
        value: impl Fn(Field) -> Result<Option<&'a str>, CloudFrontError>,
    ) -> Result<Self, CloudFrontError> {
        let (expires, policy) = (value(Field::Expires)?, value(Field::Policy)?);
        let (signature, key_pair_id) = (value(Field::Signature)?, value(Field::KeyPairId)?);
        if [policy, signature, key_pair_id] == [None; 3] {
            return Err(CloudFrontError::Missing);
        }
        let grant = match (expires, policy) {
            (Some(digits), None) => {
                Expiry::parse(digits).map(|expiry| Grant::Canned(expiry.unix()))
            }
            (None, Some(text)) => base64::decode(text).map(Grant::Custom),
            // Which of the two is meant is anybody's guess.
            _ => None,
        };
        let digest = match value(Field::HashAlgorithm)? {
            Some(name) => Digest::named(name),
            None => Some(Digest::default()),
        };
        Ok(Self {
            grant: grant.ok_or(match policy {
                Some(_) => Field::Policy.malformed(),
                None => Field::Expires.malformed(),
            })?,
            signature: signature
                .filter(|text| !text.is_empty())
                .and_then(base64::decode)
                .ok_or(Field::Signature.malformed())?,
            key_pair_id: key_pair_id.ok_or(Field::KeyPairId.malformed())?,
            digest: digest.ok_or(Field::HashAlgorithm.malformed())?,
        })
    }

    /// The text of the policy that is said to be signed, for a request of `url`.
    pub(super) fn signed_text(&self, url: &str) -> Vec<u8> {
        match &self.grant {
            Grant::Canned(expires) => Policy::canned(url, *expires).json().into_bytes(),
            Grant::Custom(text) => text.clone(),
        }
    }
}

/// The URL that was asked for, without the credential.
///
/// # Errors
/// [`CloudFrontError::Address`] where host or path could be read in more than one way.
pub(super) fn url(request: &Request<'_>) -> Result<String, CloudFrontError> {
    let Request {
        scheme,
        host,
        path,
        query,
        ..
    } = *request;
    let in_scheme = |byte: u8| byte.is_ascii_lowercase();
    let in_host = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    let sound = (1..=MAX_SCHEME_BYTES).contains(&scheme.len())
        && scheme.bytes().all(in_scheme)
        && (1..=MAX_HOST_BYTES).contains(&host.len())
        && host.bytes().all(in_host);
    if !sound {
        return Err(CloudFrontError::Address);
    }
    check_path(path)?;
    let own = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !PARAMETERS.contains(&name)
    };
    let rest: Vec<&str> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(own)
        .collect();
    let mark = if rest.is_empty() { "" } else { "?" };
    Ok(format!("{scheme}://{host}{path}{mark}{}", rest.join("&")))
}

/// The value of a cookie (RFC 6265 §4.2.1).
fn cookie(cookies: &str, field: Field) -> Result<Option<&str>, CloudFrontError> {
    let mut values = cookies
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim() == field.cookie())
        .map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(field.malformed()),
    }
}

/// `rtmps` has five.
const MAX_SCHEME_BYTES: usize = 8;
/// A name of 253 bytes and a port.
const MAX_HOST_BYTES: usize = 260;
