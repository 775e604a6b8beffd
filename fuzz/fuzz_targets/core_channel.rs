//! Channel records as the API receives them.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_core::fuzzing::channel);
