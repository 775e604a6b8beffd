//! What a port failed with, as nodes tell it: nothing of it is lost on the way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ports::Error;

/// An [`Error`] of a port as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Told {
    NotFound {
        what: String,
    },
    Conflict {
        what: String,
    },
    Denied {
        detail: String,
    },
    /// `retryAfter` is `{"secs", "nanos"}`.
    Unavailable {
        retry_after: Duration,
        detail: String,
    },
    Invalid {
        detail: String,
    },
    Damaged {
        what: String,
        detail: String,
        advice: String,
    },
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => Self::NotFound { what },
            Error::Conflict(what) => Self::Conflict { what },
            Error::Denied(detail) => Self::Denied { detail },
            Error::Unavailable {
                retry_after,
                detail,
            } => Self::Unavailable {
                retry_after,
                detail,
            },
            Error::Invalid(detail) => Self::Invalid { detail },
            Error::Damaged {
                what,
                detail,
                advice,
            } => Self::Damaged {
                what,
                detail,
                advice,
            },
        }
    }
}

impl From<Told> for Error {
    fn from(told: Told) -> Self {
        match told {
            Told::NotFound { what } => Self::NotFound(what),
            Told::Conflict { what } => Self::Conflict(what),
            Told::Denied { detail } => Self::Denied(detail),
            Told::Unavailable {
                retry_after,
                detail,
            } => Self::Unavailable {
                retry_after,
                detail,
            },
            Told::Invalid { detail } => Self::Invalid(detail),
            Told::Damaged {
                what,
                detail,
                advice,
            } => Self::Damaged {
                what,
                detail,
                advice,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors() -> impl Strategy<Value = Error> {
        let text = || ".{0,20}";
        prop_oneof![
            text().prop_map(Error::NotFound),
            text().prop_map(Error::Conflict),
            text().prop_map(Error::Denied),
            text().prop_map(Error::Invalid),
            (any::<Duration>(), text()).prop_map(|(retry_after, detail)| Error::Unavailable {
                retry_after,
                detail
            }),
            (text(), text(), text()).prop_map(|(what, detail, advice)| Error::Damaged {
                what,
                detail,
                advice
            }),
        ]
    }

    proptest! {
        #[test]
        fn errors_arrive_as_they_were(error in errors()) {
            let text = serde_json::to_string(&Told::from(error.clone())).unwrap();
            let told: Told = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Error::from(told), error);
        }
    }
}
