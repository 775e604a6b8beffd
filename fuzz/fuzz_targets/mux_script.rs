//! Script data into ID3 tags and SCTE-35 sections.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::script);
