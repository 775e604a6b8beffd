//! Whole RTMP connections as the client sees them.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::fuzzing::client_session);
