//! The client sends what the program says, the MTA answers each command.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: smtp_wrapper_fuzz::seeds::write(true),
    |program: &[u8]| smtp_wrapper_fuzz::check(program, true)
);
