//! Frames through the segmenter to segments and playlists.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_mux::fuzzing::segmenter);
