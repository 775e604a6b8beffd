//! AMF3 values.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::fuzzing::amf3);
