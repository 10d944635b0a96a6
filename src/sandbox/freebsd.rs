//! FreeBSD: no new privileges (from 14 on), and no looking into the process.
//!
//! Rejected: Capsicum. cap_enter(2) takes the right to connect, and a session calls its
//! MTA when it knows its client, and asks DNS before. Whoever wants more has the jail.

use super::cage::Step;
use crate::sys::cage::procctl;

/// The steps.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "not traceable",
        take: |_| procctl(libc::PROC_TRACE_CTL, libc::PROC_TRACE_CTL_DISABLE),
    },
    Step {
        name: "no_new_privs",
        take: |_| procctl(libc::PROC_NO_NEW_PRIVS_CTL, libc::PROC_NO_NEW_PRIVS_ENABLE),
    },
];
