//! The program; everything is in the library.

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: smtp_wrapper::allocator::Allocator = smtp_wrapper::allocator::Allocator::new();

fn main() -> std::process::ExitCode {
    smtp_wrapper::run(std::env::args_os().skip(1))
}
