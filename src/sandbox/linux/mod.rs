//! Linux: no new privileges, Landlock, seccomp; in this order, for each takes what the next
//! one has to be set up with.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod calls;
mod landlock;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod seccomp;

use std::io;

use super::cage::{Bounds, Step};
use crate::sys::cage::prctl;

/// The steps.
pub(super) const STEPS: &[Step] = &[
    Step { name: "not dumpable", take: |_| prctl(libc::PR_SET_DUMPABLE, 0) },
    Step { name: "no_new_privs", take: |_| prctl(libc::PR_SET_NO_NEW_PRIVS, 1) },
    Step { name: "Landlock", take: landlock::restrict },
    Step { name: "seccomp", take: filter_calls },
];

fn filter_calls(bounds: &Bounds<'_>) -> io::Result<()> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    return crate::sys::cage::seccomp(seccomp::program(bounds.class));
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    return Err(io::ErrorKind::Unsupported.into());
}

/// Can TCP ports be named?
pub(super) fn knows_ports() -> bool {
    landlock::knows_ports()
}
