//! The ports on AWS: against moto, and S3 against another implementation of its protocol as well.

mod conformance;
mod ecs;
mod events;
mod raw;
mod reach;
mod s3s_fs;
mod secrets;
