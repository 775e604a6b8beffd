//! Push credentials in the query of a stream key.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_auth::fuzzing::push);
