//! The ports of [`lsv_core::ports`] on AWS: DynamoDB, S3, ECS.
//!
//! Nothing is here yet. The crate has its place in the workspace so that the direction of imports is settled: it knows
//! `lsv-core`, and only binaries and tests know it. Its dependencies, the AWS SDKs, will each stand behind a feature.
