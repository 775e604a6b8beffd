//! Both sides of the proxy: what a client sends before it is handed over, what a back end sends after.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_rtmp::proxy::fuzzing::sniffer);
