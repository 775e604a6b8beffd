//! Whole RTMP connections as the server sees them.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::fuzzing::server_session);
