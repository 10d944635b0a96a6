//! Client and MTA both send whatever the program says.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: smtp_wrapper_fuzz::seeds::write(false),
    |program: &[u8]| smtp_wrapper_fuzz::check(program, false)
);
