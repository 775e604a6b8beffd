//! Fragmented MP4 from a hostile writer.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::mp4_demux);
