//! What every fuzz target shares.
//!
//! A target is three lines that name a body in the hidden `fuzzing` module of the crate it attacks. Under
//! `cargo +nightly fuzz run <target>` it is a libFuzzer target; built plainly it is a program that runs the body once on
//! each file named on its command line, which is how a crash is looked at with an ordinary toolchain.

use std::process::ExitCode;

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// Makes the crate a fuzz target that hands its input to the function named.
#[macro_export]
macro_rules! target {
    ($body:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| $body(input));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::replay($body)
        }
    };
}

/// Runs a body on each file named on the command line; fails when one cannot be read.
#[must_use]
pub fn replay(body: fn(&[u8])) -> ExitCode {
    for name in std::env::args_os().skip(1) {
        match std::fs::read(&name) {
            Ok(input) => body(&input),
            Err(error) => {
                eprintln!("{}: {error}", name.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
