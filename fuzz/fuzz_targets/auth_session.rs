//! Cookies of operators who signed in with a browser.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_auth::fuzzing::session);
