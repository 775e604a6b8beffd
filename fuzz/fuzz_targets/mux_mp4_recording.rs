//! Frames into recordings, and recordings that a crash or somebody else cut.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::mp4_recording);
