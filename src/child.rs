//! A program that we started: in a process group of its own, which is ended as a
//! whole unless it is told to be let be, and with an environment that tells who the client is.
//!
//! Its end is noticed by SIGCHLD, so that a grandchild that holds its pipes is
//! not waited for; it is not reaped before its group has been killed, where the
//! system has a way of looking, so that the group's number cannot have become
//! another's.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, setpgid, waitpid};

use crate::sys;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a signal.
    Killed,
    /// With this status.
    Exited(i32),
}

/// A program that runs, or has ended and is not reaped.
pub(crate) struct Child {
    group: Pid,
    /// It has ended.
    ended: Cell<Option<End>>,
    /// What it leaves in its group is let be.
    group_is_let_be: Cell<bool>,
}

impl Child {
    /// Starts it; from here on the end of a child ends a wait.
    pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
        sys::watch_children();
        let child = sys::spawn(command.process_group(0))?;
        let group = Pid::from_child(&child);
        Ok(Child { group, ended: Cell::new(None), group_is_let_be: Cell::new(false) })
    }

    /// Forks; `None` in the new process, which is to end by itself.
    pub(crate) fn fork() -> io::Result<Option<Child>> {
        sys::expect_children();
        let Some(group) = sys::fork()? else {
            let _ = setpgid(None, None);
            return Ok(None);
        };
        // Both do it, and whoever comes first is early enough.
        let _ = setpgid(Some(group), Some(group));
        Ok(Some(Child { group, ended: Cell::new(None), group_is_let_be: Cell::new(false) }))
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<End> {
        if self.ended.get().is_none() {
            self.ended.set(self.look());
        }
        self.ended.get()
    }

    /// Asks it, and whatever it left in its group, to end.
    pub(crate) fn terminate(&self) {
        let _ = kill_process_group(self.group, Signal::TERM);
    }

    /// Lets be what it leaves in its group, if it ends before it is dropped.
    pub(crate) fn let_group_be(&self) {
        self.group_is_let_be.set(true);
    }

    /// Looks without reaping it.
    #[cfg(not(target_os = "openbsd"))]
    fn look(&self) -> Option<End> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.group), look).ok().flatten()?;
        // There the library does not give the status; 0 is what passes for none.
        #[cfg(target_os = "netbsd")]
        let exited = 0;
        #[cfg(not(target_os = "netbsd"))]
        let exited = status.exit_status().unwrap_or_default();
        Some(if status.killed() || status.dumped() { End::Killed } else { End::Exited(exited) })
    }

    /// There is no looking without reaping.
    #[cfg(target_os = "openbsd")]
    fn look(&self) -> Option<End> {
        let (_, status) = waitpid(Some(self.group), WaitOptions::NOHANG).ok().flatten()?;
        Some(status.exit_status().map_or(End::Killed, End::Exited))
    }
}

impl Drop for Child {
    /// Ends it and whatever it left in its group, and reaps it.
    fn drop(&mut self) {
        if !self.group_is_let_be.get() || self.ended.get().is_none() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        if cfg!(target_os = "openbsd") && self.ended.get().is_some() {
            return;
        }
        while let Err(Errno::INTR) = waitpid(Some(self.group), WaitOptions::empty()) {}
    }
}

/// Why a program could not be started, and what may be the reason.
pub(crate) fn cannot_start(name: &str, error: &io::Error) -> String {
    let hint = match Errno::from_io_error(error) {
        Some(Errno::NOEXEC) => " (has it a first line as in #!/bin/sh?)",
        Some(Errno::NOENT) if Path::new(name).exists() => {
            " (the program that its first line names is not there; does that line end in CR?)"
        }
        Some(Errno::ACCESS) => " (may the user that we run as execute it?)",
        _ => "",
    };
    format!("{name}: {error}{hint}")
}

/// What supervisors tell us, and would be untrue of a program; and what could
/// be taken for facts of ours when we know none.
const NOT_FOR_PROGRAMS: [&str; 19] = [
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "REMOTE_HOST",
    "SMTP_WRAPPER_OPTIONS",
    "SW_FROM_HOST",
    "SW_HELO",
    "SW_MAIL_FROM",
    "SW_RCPT_TO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The environment of a program: ours, and the client and its end of the connection as a
/// supervisor of the UCSPI kind, or systemd, would tell it.
pub(crate) fn tell_client(command: &mut Command, client: SocketAddr, local: Option<SocketAddr>) {
    for name in NOT_FOR_PROGRAMS {
        command.env_remove(name);
    }
    let (ip, port) = (client.ip().to_string(), client.port().to_string());
    command.env("PROTO", "TCP").env("TCPREMOTEIP", &ip).env("TCPREMOTEPORT", &port);
    command.env("REMOTE_ADDR", &ip).env("REMOTE_PORT", &port);
    if let Some(local) = local {
        command.env("TCPLOCALIP", local.ip().to_string());
        command.env("TCPLOCALPORT", local.port().to_string());
    }
}
