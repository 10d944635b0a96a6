//! The program; everything is in the library.

// In the released build a third of a session's instructions were musl's
// allocator, which is made for threads and for programs that C can corrupt.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    smtp_wrapper::run(std::env::args_os().skip(1))
}
