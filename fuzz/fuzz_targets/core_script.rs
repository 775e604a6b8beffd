//! Audio and video tag bodies.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_core::fuzzing::script);
