//! The cookie of an operator who signed in with a browser.
//!
//! It is `<exp>.<id>.<user>.<signature>`: `exp` is the last Unix second at which it is good; `id` 16 random bytes; `user` the
//! name of who signed in with one, nothing else; the signature an HMAC-SHA256 over what stands before it. All but `exp` is
//! written in lower-case hexadecimal digits. Nothing is kept of it, so whoever knows the API's token can verify it.
//!
//! The key comes from the API's token and from what else sign-in depends on: where either changes, all sessions end. It is
//! apart from all else that the token does, and so are the three things that it signs.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{Secret, hex, mac::Keyed, push::Expiry};

/// Who is signed in, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Random: what tells one session from all others.
    pub id: [u8; 16],
    /// The last Unix second at which it is good.
    pub expires: u64,
    /// The name of who signed in with one: at most [`MAX_USER_BYTES`], never empty.
    pub user: Option<String>,
}

/// What sessions of one platform are signed with.
#[derive(Clone)]
pub struct Keys {
    signing: Keyed,
    cookie: String,
}

impl Keys {
    /// Keys derived from the API's `token`; sessions end where `password`, which is what operators' passwords are verified
    /// with, is another one, or none any more.
    ///
    /// ```
    /// use lsv_auth::{Secret, session::{Keys, Session}};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let keys = Keys::new(&Secret::new("API token")?, None);
    /// let session = Session { id: [7; 16], expires: 1_700_043_200, user: None };
    /// let cookie = keys.mint(&session);
    /// assert_eq!(keys.verify(&cookie, 1_700_000_000)?, session);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(token: &Secret, password: Option<&[u8]>) -> Self {
        let token = Keyed::new(token);
        let [first, second, third, fourth, ..] = token.sign(&[NAME]);
        let given: &[u8] = if password.is_some() { &[1] } else { &[0] };
        let mut key = token.sign(&[KEY, given, password.unwrap_or_default()]);
        let signing = Keyed::new(&Secret::from_entropy(key));
        key.zeroize();
        Self {
            signing,
            cookie: format!("lsv-{}", hex::encode(&[first, second, third, fourth])),
        }
    }

    /// The name of the cookie. It differs between platforms: browsers give a host's cookies to all its ports.
    pub fn cookie_name(&self) -> &str {
        &self.cookie
    }

    /// The value of the cookie for `session`.
    pub fn mint(&self, session: &Session) -> String {
        let payload = payload(session);
        let signature = self.signing.sign(&[COOKIE, payload.as_bytes()]);
        format!("{payload}.{}", hex::encode(&signature))
    }

    /// The session that a cookie's value stands for at `now` (Unix seconds).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn verify(&self, value: &str, now: u64) -> Result<Session, SessionError> {
        if value.len() > MAX_COOKIE_BYTES {
            return Err(SessionError::Malformed);
        }
        let (payload, signature) = value.rsplit_once('.').ok_or(SessionError::Malformed)?;
        let signature = hex::decode(signature).ok_or(SessionError::Malformed)?;
        let right = self.signing.sign(&[COOKIE, payload.as_bytes()]);
        if !is_equal(&right, &signature) {
            return Err(SessionError::Mismatch);
        }
        let session = parse(payload).ok_or(SessionError::Malformed)?;
        match now > session.expires {
            true => Err(SessionError::Expired),
            false => Ok(session),
        }
    }

    /// What pages of the platform's own send along with calls that change something, as no other page can know it.
    pub fn csrf(&self, session: &Session) -> String {
        let signature = self.signing.sign(&[CSRF, payload(session).as_bytes()]);
        hex::encode(&signature)
    }

    /// Whether `given` is what [`Keys::csrf`] says.
    pub fn is_csrf(&self, session: &Session, given: &[u8]) -> bool {
        self.csrf(session).as_bytes().ct_eq(given).into()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

/// Why a cookie is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// It is not what the platform writes.
    #[error("the session's cookie is not one of this platform")]
    Malformed,
    /// Its signature is wrong.
    #[error("the session's signature is wrong")]
    Mismatch,
    /// It was good once.
    #[error("the session is over")]
    Expired,
}

fn payload(session: &Session) -> String {
    let user = session.user.as_deref().unwrap_or_default();
    let (expires, id) = (Expiry::from_unix(session.expires), hex::encode(&session.id));
    format!("{expires}.{id}.{}", hex::encode(user.as_bytes()))
}

fn parse(payload: &str) -> Option<Session> {
    let (expires, rest) = payload.split_once('.')?;
    let (id, user) = rest.split_once('.')?;
    let user = hex::decode_text(user)?;
    if user.len() > MAX_USER_BYTES {
        return None;
    }
    Some(Session {
        id: hex::decode(id)?,
        expires: Expiry::parse(expires)?.unix(),
        user: (!user.is_empty()).then_some(user),
    })
}

fn is_equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.ct_eq(right).into()
}

/// Longest name of an operator.
pub const MAX_USER_BYTES: usize = 64;

/// Stops long cookies before anything is computed: 20 digits of a time, an id, the longest name, a signature, three dots.
const MAX_COOKIE_BYTES: usize = 20 + 32 + 2 * MAX_USER_BYTES + 64 + 3;

// What keeps the uses of one key apart. None is the beginning of another.
const KEY: &[u8] = b"lsv console session key\0";
const NAME: &[u8] = b"lsv console cookie name\0";
const COOKIE: &[u8] = b"cookie\0";
const CSRF: &[u8] = b"csrf\0";

#[cfg(test)]
mod tests;
