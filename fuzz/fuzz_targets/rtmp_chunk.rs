//! RTMP chunk streams.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::fuzzing::chunk);
