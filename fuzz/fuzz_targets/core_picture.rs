//! Codec configurations of pictures, and what key frames bring.
#![cfg_attr(fuzzing, no_main)]
lsv_fuzz::target!(lsv_core::fuzzing::picture);
