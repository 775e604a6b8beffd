//! Who may sign in with a browser, and which sessions are good: the state behind `/console/session`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use lsv_auth::Secret;
use lsv_auth::session::{Keys, Session};
use uuid::Uuid;

use super::problem::Answer;
use super::{Kind, Problem};
use crate::access::Window;
use crate::channel::Moment;

mod password;

use password::Verifier;
pub use password::{InvalidPassword, Password, hash_password};

/// Sessions of operators with a browser. Clones share what they remember.
///
/// Sessions are signed, not kept: each process of a platform with the same token and password takes those of all others. What
/// is remembered is this process's alone: who tried in vain, and which sessions signed out.
#[derive(Clone, Debug)]
pub struct SignIn {
    keys: Keys,
    verifier: Option<Verifier>,
    attempts: Window,
    over: Arc<Mutex<Over>>,
}

/// What somebody shows to sign in.
pub(super) enum Shown<'a> {
    Token(&'a str),
    Password { user: &'a str, password: String },
}

impl SignIn {
    /// Lets those in who show `token`, or the `password`, if there is one.
    pub fn new(token: &Secret, password: Option<Password>) -> Self {
        let hash = password.as_ref().map(Password::hash);
        Self {
            keys: Keys::new(token, hash.map(str::as_bytes)),
            verifier: password.map(Verifier::new),
            attempts: Window::new(MAX_ATTEMPTS),
            over: Arc::default(),
        }
    }

    /// Whether there is a user with a password.
    pub(super) fn has_password(&self) -> bool {
        self.verifier.is_some()
    }

    /// A session for whoever at `client` shows what is right.
    ///
    /// An attempt counts from its beginning and is taken back where it succeeds, so that many at once are no way around the
    /// limit. Who is over it is refused with the right words too: else guessing would go on at full speed.
    pub(super) async fn enter(
        &self,
        token: &Secret,
        shown: Shown<'_>,
        client: IpAddr,
        now: Moment,
    ) -> Answer<Session> {
        if !self.attempts.enter(client, Instant::now()) {
            tracing::warn!(%client, "too many attempts to sign in to the console");
            return Err(too_many_attempts());
        }
        let user = match shown {
            Shown::Token(given) => token.matches(given.as_bytes()).then_some(None),
            Shown::Password { user, password } => match &self.verifier {
                Some(verifier) => {
                    let verified = verifier.user(user, password).await;
                    // Nothing was tried where there was no turn.
                    verified
                        .inspect_err(|_| self.attempts.take_back(client))?
                        .map(Some)
                }
                None => None,
            },
        };
        let Some(user) = user else {
            tracing::warn!(%client, "a wrong attempt to sign in to the console");
            let detail = match self.has_password() {
                true => "the token, or the user or password, is wrong",
                false => "the token is wrong",
            };
            return Err(Problem::new(Kind::Unauthorized, detail));
        };
        self.attempts.take_back(client);
        tracing::info!(%client, user, "signed in to the console");
        Ok(Session {
            id: *Uuid::new_v4().as_bytes(),
            expires: now.plus(SESSION_TIME).unix(),
            user,
        })
    }

    /// The session whose cookie comes with a request, if it is good.
    pub(super) fn session(&self, headers: &HeaderMap, now: Moment) -> Option<Session> {
        let name = self.keys.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter();
        let session = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(given, _)| *given == name)
            // Other ports of the host can set cookies of the same name; a few of them keep nobody out.
            .take(MAX_COOKIES)
            .find_map(|(_, value)| self.keys.verify(value, now.unix()).ok())?;
        self.is_good(&session, now).then_some(session)
    }

    /// Whether `session`, which was good once, still is: it ends when it expires, or is signed out of in this process.
    pub(super) fn is_good(&self, session: &Session, now: Moment) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        now.unix() <= session.expires && !over.holds(session)
    }

    /// Whether a request of `session` shows that a page of the platform's own makes it.
    pub(super) fn is_own(&self, session: &Session, headers: &HeaderMap) -> bool {
        let given = headers.get(CSRF_HEADER);
        given.is_some_and(|given| self.keys.is_csrf(session, given.as_bytes()))
    }

    /// What [`SignIn::is_own`] asks for.
    pub(super) fn csrf(&self, session: &Session) -> String {
        self.keys.csrf(session)
    }

    /// Refuses `session` from now on.
    pub(super) fn leave(&self, session: &Session, now: Moment) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.add(session, now.unix());
    }

    /// `Set-Cookie` for `session`, or what takes the cookie away.
    pub(super) fn cookie(&self, session: Option<&Session>, secured: bool) -> String {
        let (name, secure) = (
            self.keys.cookie_name(),
            if secured { "; Secure" } else { "" },
        );
        let (value, age) = match session {
            Some(session) => (self.keys.mint(session), SESSION_TIME.as_secs()),
            None => (String::new(), 0),
        };
        format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// Sessions that signed out before they expired, by when they would have.
#[derive(Debug, Default)]
struct Over(BTreeSet<(u64, [u8; 16])>);

impl Over {
    fn holds(&self, session: &Session) -> bool {
        self.0.contains(&(session.expires, session.id))
    }

    fn add(&mut self, session: &Session, now: u64) {
        self.0.insert((session.expires, session.id));
        while let Some((expires, _)) = self.0.first()
            && (*expires < now || self.0.len() > MAX_OVER)
        {
            self.0.pop_first();
        }
    }
}

fn too_many_attempts() -> Problem {
    let detail = "too many attempts to sign in at this address; wait a minute";
    Problem::new(Kind::TooManyAttempts, detail).after(RETRY_AFTER)
}

/// What a page sends along that may act for who is signed in.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// How long a session is good.
pub(super) const SESSION_TIME: Duration = Duration::from_secs(12 * 3_600);
/// Wrong attempts of one address within a minute.
const MAX_ATTEMPTS: u32 = 10;
/// When the window has moved on by one attempt at least.
const RETRY_AFTER: Duration = Duration::from_secs(61);
/// Cookies of the platform's name that are looked at.
const MAX_COOKIES: usize = 4;
/// Sessions that are remembered to have signed out, some 40 bytes each; the oldest are forgotten first.
const MAX_OVER: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u32, expires: u64) -> Session {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        Session {
            id: bytes,
            expires,
            user: None,
        }
    }

    #[test]
    fn who_signed_out_is_remembered_within_bounds() {
        let mut over = Over::default();
        for id in 0..MAX_OVER as u32 + 5 {
            over.add(&session(id, 1_000 + u64::from(id)), 0);
        }
        assert_eq!(over.0.len(), MAX_OVER);
        assert!(!over.holds(&session(4, 1_004)) && over.holds(&session(5, 1_005)));
        assert!(!over.holds(&session(5, 1_006)));
    }

    #[test]
    fn what_expired_is_forgotten() {
        let mut over = Over::default();
        over.add(&session(1, 100), 50);
        over.add(&session(2, 200), 100);
        assert!(over.holds(&session(1, 100)));
        over.add(&session(3, 300), 101);
        assert!(!over.holds(&session(1, 100)) && over.holds(&session(2, 200)));
    }
}
