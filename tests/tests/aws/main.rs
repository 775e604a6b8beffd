//! The ports on AWS: against moto, and S3 against another implementation of its protocol as well.

mod answers;
mod conformance;
mod ecs;
mod events;
mod leases;
mod older;
mod raw;
mod reach;
mod recordings;
mod refusals;
mod s3s_fs;
mod secrets;
