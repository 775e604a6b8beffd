//! Credentials and keys of the lsv live-video platform: pure functions that make and verify them.
//!
//! Nothing here reads a clock, a file or a socket: `now` is an argument, secrets are [`Secret`] values, and every
//! comparison of something secret takes the same time whether it fails at the first byte or at the last.
//!
//! | module | holds |
//! | --- | --- |
//! | [`push`] | the credential that lets an encoder publish: `<exp>-<signature>` |
//! | [`content`] | the keys that live segments are encrypted with |
//! | [`Secret`] | a key or token that is wiped from memory and never printed |

mod secret;

pub mod content;
#[doc(hidden)]
pub mod fuzzing;
pub mod push;

pub use secret::{EmptySecret, Secret};
