//! PROXY protocol headers.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::proxy::fuzzing::protocol);
