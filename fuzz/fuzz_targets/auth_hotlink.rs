//! Hosts, networks, `Referer` and `Origin` of hotlink and address rules.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_auth::fuzzing::hotlink);
