//! SIGTERM and the wait that it can end; the only unsafe code of the program.
//!
//! SIGTERM is blocked but for the time that we wait in ppoll, so it can neither
//! cut a write short nor slip in between a look at the flag and the wait. A
//! pipe to oneself would do the same for two descriptors and a system call
//! more; a library would do it with the pipe.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static TERMINATED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_sigterm(_: libc::c_int) {
    TERMINATED.store(true, Ordering::Relaxed);
}

/// Has SIGTERM come?
#[must_use]
pub fn terminated() -> bool {
    TERMINATED.load(Ordering::Relaxed)
}

/// Holds SIGTERM back until [`Waiter::wait`] is called.
pub struct Waiter {
    /// The signals blocked while waiting: those blocked before, less SIGTERM.
    blocked: libc::sigset_t,
}

impl Waiter {
    /// Takes over SIGTERM.
    #[must_use]
    pub fn new() -> Self {
        let mut sigterm = MaybeUninit::<libc::sigset_t>::uninit();
        let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        let handler: extern "C" fn(libc::c_int) = on_sigterm;
        // SAFETY: the sets are filled by sigemptyset and sigprocmask before
        // they are read; an all-zero sigaction is a valid one, and the handler
        // only stores to an atomic, which is async-signal-safe. None of the
        // calls fails with these arguments.
        unsafe {
            let action = action.assume_init_mut();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGTERM, action, ptr::null_mut());
            libc::sigemptyset(sigterm.as_mut_ptr());
            libc::sigaddset(sigterm.as_mut_ptr(), libc::SIGTERM);
            libc::sigprocmask(libc::SIG_BLOCK, sigterm.as_ptr(), blocked.as_mut_ptr());
            libc::sigdelset(blocked.as_mut_ptr(), libc::SIGTERM);
            Waiter {
                blocked: blocked.assume_init(),
            }
        }
    }

    /// Waits until one of the descriptors is ready, the time has passed or
    /// SIGTERM comes; entries with a negative descriptor are passed over.
    ///
    /// # Errors
    /// Those of ppoll, but for the interruption by a signal, which looks like a
    /// time limit passed.
    pub fn wait(&self, fds: &mut [libc::pollfd], time: Duration) -> io::Result<()> {
        let time = libc::timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let count = fds.len() as libc::nfds_t;
        // SAFETY: `fds` is a slice of `count` pollfd, `time` and the set live
        // through the call.
        let ready = unsafe {
            libc::ppoll(
                fds.as_mut_ptr(),
                count,
                &raw const time,
                &raw const self.blocked,
            )
        };
        if ready >= 0 {
            return Ok(());
        }
        fds.iter_mut().for_each(|fd| fd.revents = 0);
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        }
    }
}

impl Default for Waiter {
    fn default() -> Self {
        Waiter::new()
    }
}
