//! An MTA that is a program, started for one session as inetd would start it:
//! `sendmail -bs`, qmail-smtpd. Its standard input and output are one end of a
//! socket pair, so that to the session it is a connection like any other; who
//! the client is stands in its environment.
//!
//! Standard error is a pipe that we read: it never reaches the client, and what
//! is written to it gets into the log, some lines of it. With the session the
//! program is over, and whatever it left in its process group, unless it has
//! taken a message: then that may be the delivery.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::activation::Client;
use crate::child::{self, Child, End, cannot_start};
use crate::host::Host;
use crate::limits;

/// What is read of standard error at once.
const PIECE: usize = 4096;

/// The program.
pub(crate) struct Program {
    child: Child,
    /// What it writes to standard error, until it closes that.
    errors: Option<OwnedFd>,
    /// The line that it is writing, as far as the log has it.
    line: Vec<u8>,
}

impl Program {
    /// Starts it; gives our end of its connection.
    pub(crate) fn start(
        run: &str,
        client: &Client,
        host: Option<&Host>,
    ) -> io::Result<(Program, OwnedFd)> {
        let mut words = run.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let (ours, its) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let (errors, its_errors) = pipe_with(PipeFlags::CLOEXEC)?;
        // Only our end: the program is to find a usual one.
        fcntl_setfl(&errors, fcntl_getfl(&errors)? | OFlags::NONBLOCK)?;
        let mut command = Command::new(name);
        command
            .args(words)
            .stdin(Stdio::from(its.try_clone()?))
            .stdout(Stdio::from(its))
            .stderr(Stdio::from(its_errors));
        child::tell_client(&mut command, client);
        if let Some(name) = host.and_then(|host| host.confirmed.first()) {
            command.env("TCPREMOTEHOST", OsStr::from_bytes(name));
        }
        let child = Child::start(&mut command)
            .map_err(|error| io::Error::other(cannot_start(name, &error)))?;
        Ok((Program { child, errors: Some(errors), line: Vec::new() }, ours))
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.child.end()
    }

    /// Lets be what it left in its process group, once it has ended by itself.
    pub(crate) fn let_group_be(&self) {
        self.child.let_group_be();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.child.terminate();
    }

    /// What to wait for, that it writes to standard error; -1 if it cannot.
    pub(crate) fn errors(&self) -> RawFd {
        self.errors.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Reads a piece of what it writes to standard error, and gives each line that
    /// is complete; true if there may be more.
    pub(crate) fn hear(&mut self, mut line: impl FnMut(&[u8])) -> bool {
        let Some(errors) = &self.errors else { return false };
        let mut piece = [0; PIECE];
        match read(errors, &mut piece) {
            Ok(count @ 1..) => {
                let mut rest = piece.get(..count).unwrap_or_default();
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    let (head, tail) = rest.split_at(end);
                    self.take(head);
                    self.give(&mut line);
                    rest = tail.get(1..).unwrap_or_default();
                }
                self.take(rest);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Ok(_) | Err(_) => {
                self.give(&mut line);
                self.errors = None;
                false
            }
        }
    }

    /// Keeps of a line what the log would show of it.
    fn take(&mut self, part: &[u8]) {
        let room = (limits::LOGGED_TEXT + 1).saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
    }

    fn give(&mut self, line: &mut impl FnMut(&[u8])) {
        let text = self.line.trim_ascii_end();
        if !text.is_empty() {
            line(text);
        }
        self.line.clear();
    }
}
