//! Length-prefixed access units into Annex B.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::annexb);
