//! Samples into CMAF fragments.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::mp4_fragment);
