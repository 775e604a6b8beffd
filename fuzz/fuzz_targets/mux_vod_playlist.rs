//! The playlist of an unfinished recording.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::vod_playlist);
