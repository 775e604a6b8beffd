//! Control, command, data and aggregate messages.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::fuzzing::message);
