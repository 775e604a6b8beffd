//! Playback tokens and nodes' credentials in an address.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_auth::fuzzing::playback);
