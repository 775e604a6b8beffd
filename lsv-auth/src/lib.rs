//! Credentials and keys of the lsv live-video platform: pure functions that make and verify them.
//!
//! Nothing here reads a clock, a file or a socket: `now` is an argument, secrets are [`Secret`] values, and every
//! comparison of something secret takes the same time whether it fails at the first byte or at the last.
//!
//! | module | holds |
//! | --- | --- |
//! | [`push`] | the credential that lets an encoder publish: `<exp>-<signature>` |
//! | [`playback`] | the token that lets a viewer in: `exp=<unix>&token=<signature>` |
//! | [`node`] | the credential that one node of the platform shows another |
//! | [`hotlink`] | which pages may embed what is played |
//! | [`cidr`] | lists of networks |
//! | `cloudfront` (feature) | signed URLs and signed cookies of Amazon CloudFront |
//! | [`session`] | the cookie of an operator who signed in with a browser |
//! | [`content`] | the keys that live segments are encrypted with |
//! | [`Secret`] | a key or token that is wiped from memory and never printed |

mod hex;
mod mac;
mod prefix;
mod query;
mod secret;

pub mod cidr;
#[cfg(feature = "cloudfront")]
pub mod cloudfront;
pub mod content;
#[doc(hidden)]
pub mod fuzzing;
pub mod hotlink;
pub mod node;
pub mod playback;
pub mod push;
pub mod session;

pub use secret::{EmptySecret, Secret};
