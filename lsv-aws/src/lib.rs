//! The ports of [`lsv_core::ports`] on AWS, and what else the platform uses there.
//!
//! One feature per service, so that a binary holds only the SDKs that it needs. Region, credentials and endpoints come from the
//! SDKs' own chain, by `load` (feature `sdk`). The crate knows `lsv-core`; only binaries and tests know it.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "ecs")]
pub mod ecs;
#[cfg(any(
    feature = "dynamodb",
    feature = "ecs",
    feature = "eventbridge",
    feature = "s3",
    feature = "secrets"
))]
mod error;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "sdk")]
mod sdk;
#[cfg(feature = "secrets")]
pub mod secrets;

#[cfg(feature = "sdk")]
pub use aws_config::SdkConfig;
#[cfg(feature = "sdk")]
pub use sdk::{defaults, load};
