//! Frames into an FLV file with an index.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::flv_recording);
