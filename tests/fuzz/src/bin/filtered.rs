//! Filters judge what the client sends, and an MTA answers.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: smtp_wrapper_fuzz::filtered::write_seeds(),
    |program: &[u8]| smtp_wrapper_fuzz::filtered::check(program)
);
