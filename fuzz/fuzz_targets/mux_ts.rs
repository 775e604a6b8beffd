//! Frames into MPEG-TS.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::ts_mux);
