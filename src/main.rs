//! The program; everything is in the library.

// Where the C library is musl, which is what is released, C's `main` is ours: what the standard library
// does before its own (a second stack for a handler of overflows, a look at each descriptor) is eleven
// system calls and a page fault of every session. What is needed of it is in `sys::begin`.
#![cfg_attr(target_env = "musl", no_main)]

#[cfg(target_env = "musl")]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main(
    count: std::ffi::c_int,
    words: *const *const std::ffi::c_char,
) -> std::ffi::c_int {
    // SAFETY: they are what C's `main` is given.
    let words = unsafe { smtp_wrapper::sys::begin(count, words) };
    smtp_wrapper::run(words).into()
}

#[cfg(not(target_env = "musl"))]
fn main() -> std::process::ExitCode {
    smtp_wrapper::run(std::env::args_os().skip(1)).into()
}
