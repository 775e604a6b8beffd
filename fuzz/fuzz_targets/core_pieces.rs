//! The pieces of an object, as another node sends them.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_core::fuzzing::pieces);
