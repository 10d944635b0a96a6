//! What accepts the connections and starts a session for each.

use crate::server::Subject;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::{env, io};

/// Where all but our launcher accept.
pub const PORT: u16 = 2525;

#[derive(Clone, Copy, PartialEq)]
pub enum Front {
    /// Our own, see `launch.rs`.
    Launcher,
    /// tcpserver of ucspi-tcp, told not to look anything up.
    Tcpserver,
    /// The subject's own `listen`.
    Listen,
    /// The subject listens itself, and has a process for each session.
    Forking,
    /// The subject listens itself, and its processes do one session after the other, or many at a time.
    Resident,
}

impl Front {
    /// The first session, which is to see that all is well, is paid for as well, unless it was that of a process
    /// that goes on.
    pub fn sessions_before(self) -> usize {
        usize::from(self != Self::Resident)
    }

    pub fn command(self, subject: &Subject, listener: Option<&TcpListener>) -> io::Result<Command> {
        let (binary, arguments) = subject.command.split_first().expect("a command");
        let port = PORT.to_string();
        let mut command = match self {
            Front::Launcher => Command::new(env::current_exe()?),
            Front::Tcpserver => Command::new("tcpserver"),
            Front::Listen | Front::Forking | Front::Resident => Command::new(binary),
        };
        command.stdin(Stdio::null());
        match self {
            Front::Launcher => {
                command.arg("launch").args(&subject.command);
                if let Some(listener) = listener {
                    command.stdin(OwnedFd::from(listener.try_clone()?));
                }
            }
            Front::Tcpserver => {
                command.args(["-HR", "-l", "localhost", "-c", "200", "127.0.0.1", &port]);
                command.args(&subject.command);
            }
            Front::Listen => {
                command.arg("listen").args(arguments);
                command.args(["--max-per-address", "200", &format!("127.0.0.1:{port}")]);
            }
            Front::Forking | Front::Resident => {
                command.args(arguments);
            }
        }
        Ok(command)
    }
}
