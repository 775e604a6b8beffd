//! CloudFront's signed URLs, signed cookies and policies.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_auth::cloudfront::fuzzing::request);
