//! What the kernel is asked for by the sandbox; each call has its meaning from there.

#[cfg(any(target_os = "freebsd", target_os = "linux", target_os = "openbsd"))]
use std::io;

#[cfg(any(target_os = "freebsd", target_os = "linux", target_os = "openbsd"))]
fn outcome(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Closes every descriptor from this one on.
pub(crate) fn close_from(first: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: whoever calls this has opened none of them. Kernels before 5.9 have no such call.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } == 0;
    #[cfg(not(target_os = "linux"))]
    let closed = false;
    if !closed {
        for fd in first..MOST_INHERITED {
            // SAFETY: as above.
            unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

/// Descriptors below this are closed where there is no call for all.
const MOST_INHERITED: u32 = 256;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

    use super::outcome;

    /// prctl with one argument.
    pub(crate) fn prctl(what: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
        let none: libc::c_ulong = 0;
        // SAFETY: those that are called with this take numbers alone.
        outcome(unsafe { libc::prctl(what, argument, none, none, none) }.into()).map(|_| ())
    }

    /// `landlock_ruleset_attr` of linux/landlock.h: what a ruleset is about. What is not
    /// allowed of it by a rule is forbidden.
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(crate) struct Handled {
        pub(crate) files: u64,
        pub(crate) network: u64,
        pub(crate) scopes: u64,
    }

    /// The version of Landlock that the kernel has.
    pub(crate) fn landlock_version() -> io::Result<u32> {
        const VERSION: libc::c_uint = 1;
        // SAFETY: with this flag no pointer is read.
        let version = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                std::ptr::null::<Handled>(),
                0,
                VERSION,
            )
        };
        outcome(version).map(|version| version as u32)
    }

    /// A new ruleset. The kernel is shown the first octets of what it is about: as many as it knows.
    pub(crate) fn landlock_create(handled: &Handled, octets: usize) -> io::Result<OwnedFd> {
        let octets = octets.min(size_of::<Handled>());
        // SAFETY: the kernel reads as many octets of it, and gives a descriptor that is ours.
        unsafe {
            let call = libc::SYS_landlock_create_ruleset;
            let fd = outcome(libc::syscall(call, &raw const *handled, octets, 0))?;
            Ok(OwnedFd::from_raw_fd(fd as libc::c_int))
        }
    }

    /// What is beneath a directory, or a file, may be used so.
    pub(crate) fn landlock_path(
        rules: &OwnedFd,
        fd: BorrowedFd<'_>,
        access: u64,
    ) -> io::Result<()> {
        #[repr(C, packed)]
        struct Beneath {
            access: u64,
            fd: i32,
        }
        const BENEATH: libc::c_int = 1;
        let rule = Beneath { access, fd: fd.as_raw_fd() };
        add(rules, BENEATH, &raw const rule)
    }

    /// A port may be used so.
    pub(crate) fn landlock_port(rules: &OwnedFd, port: u16, access: u64) -> io::Result<()> {
        #[repr(C)]
        struct Port {
            access: u64,
            port: u64,
        }
        const PORT: libc::c_int = 2;
        let rule = Port { access, port: port.into() };
        add(rules, PORT, &raw const rule)
    }

    fn add<T>(rules: &OwnedFd, kind: libc::c_int, rule: *const T) -> io::Result<()> {
        // SAFETY: the kernel reads a rule of this kind, which lives through the call.
        let added =
            unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), kind, rule, 0) };
        outcome(added).map(|_| ())
    }

    /// From here on the rules hold for this process and what it starts.
    pub(crate) fn landlock_restrict(rules: &OwnedFd) -> io::Result<()> {
        // SAFETY: no pointer is read.
        let call = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
        outcome(call).map(|_| ())
    }

    /// From here on the kernel asks this program about each system call.
    pub(crate) fn seccomp(code: &'static [libc::sock_filter]) -> io::Result<()> {
        let len = u16::try_from(code.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog { len, filter: code.as_ptr().cast_mut() };
        let install = |flags: libc::c_ulong| {
            // SAFETY: the kernel reads the program, which nobody writes.
            let call = unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags,
                    &raw const program,
                )
            };
            outcome(call).map(|_| ())
        };
        // What is denied goes to the audit log. Speculation is left as it is: a session has no secret
        // that is worth the cost, and none of another's (seccomp(2), SPEC_ALLOW).
        let flags = libc::SECCOMP_FILTER_FLAG_LOG | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        match install(flags) {
            // Kernels before 4.17 know neither or one of them.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install(0),
            outcome => outcome,
        }
    }
}

#[cfg(target_os = "openbsd")]
pub(crate) use openbsd::*;

#[cfg(target_os = "openbsd")]
mod openbsd {
    use std::ffi::CStr;
    use std::io;

    use super::outcome;

    /// From here on only what these words stand for (pledge(2)).
    pub(crate) fn pledge(promises: &CStr) -> io::Result<()> {
        // SAFETY: a C string; what is executed is not restricted.
        outcome(unsafe { libc::pledge(promises.as_ptr(), std::ptr::null()) }.into()).map(|_| ())
    }

    /// This path may be used so, and none that is not named (unveil(2)).
    pub(crate) fn unveil(path: &CStr, how: &CStr) -> io::Result<()> {
        // SAFETY: two C strings.
        outcome(unsafe { libc::unveil(path.as_ptr(), how.as_ptr()) }.into()).map(|_| ())
    }
}

/// procctl of this process with a number.
#[cfg(target_os = "freebsd")]
pub(crate) fn procctl(what: libc::c_int, mut argument: libc::c_int) -> io::Result<()> {
    // SAFETY: those that are called with this take an int; pid 0 is the process itself.
    let call = unsafe { libc::procctl(libc::P_PID, 0, what, (&raw mut argument).cast()) };
    outcome(call.into()).map(|_| ())
}
