//! The ports of [`lsv_core::ports`] on AWS, and what else the platform uses there.
//!
//! One feature per service, so that a binary holds only the SDKs that it needs. Region, credentials and endpoints come from the
//! SDKs' own chain. The crate knows `lsv-core`; only binaries and tests know it.

#[cfg(feature = "lambda")]
pub mod lambda;
