//! FLV files.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::flv_demux);
