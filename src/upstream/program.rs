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
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::activation::{self, Client};
use crate::child::{self, Child, End, cannot_start};
use crate::host::Host;
use crate::{exit, limits, sys};

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

/// A process that becomes the program as soon as it is told who the client is.
///
/// It is there before the session has shut itself in, as the program is the system's
/// and is to be what it is without us: sendmail's is a program of another group, which
/// nobody may become who has given up new privileges.
pub(crate) struct Waiting {
    program: Program,
    /// Our end of the program's connection.
    connection: OwnedFd,
    /// Takes who the client is; gives why the program could not be started, or its end.
    control: OwnedFd,
}

impl Waiting {
    /// Makes one for a program and its arguments, parted by white space; there are others before it.
    ///
    /// # Errors
    /// Those of making it; whether there is such a program is not known yet.
    pub(crate) fn new(
        run: &'static str,
        before: &mut Vec<(usize, io::Result<Waiting>)>,
    ) -> io::Result<Waiting> {
        let pair =
            || socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let ((connection, its), (control, its_control)) = (pair()?, pair()?);
        let (errors, its_errors) = pipe_with(PipeFlags::CLOEXEC)?;
        // Only our end: the program is to find a usual one.
        fcntl_setfl(&errors, fcntl_getfl(&errors)? | OFlags::NONBLOCK)?;
        let Some(child) = Child::fork()? else {
            // Else it would hold them open against itself, and against the others.
            drop((connection, control, errors));
            before.drain(..).filter_map(|(_, waiting)| waiting.ok()).for_each(Waiting::let_go);
            become_program(run, its, its_errors, &its_control)
        };
        Ok(Waiting {
            program: Program { child, errors: Some(errors), line: Vec::new() },
            connection,
            control,
        })
    }

    /// Closes what is ours of it, in another process, which has no say in its end.
    fn let_go(self) {
        let Waiting { program, connection, control } = self;
        let Program { child, errors, line: _ } = program;
        drop((connection, control, errors));
        std::mem::forget(child);
    }

    /// Starts the program; gives our end of its connection, too.
    ///
    /// # Errors
    /// Says why it could not be started.
    pub(crate) fn start(
        self,
        client: &Client,
        host: Option<&Host>,
    ) -> io::Result<(Program, OwnedFd)> {
        sys::watch_children();
        let local = activation::local().map(|local| local.to_string()).unwrap_or_default();
        let name = host.and_then(|host| host.confirmed.first()).map_or(&[][..], Vec::as_slice);
        let told = [client.address().to_string().as_bytes(), local.as_bytes(), name].join(&0);
        send(&self.control, &told, SendFlags::NOSIGNAL)?;
        shutdown(&self.control, Shutdown::Write)?;
        // The program is on a disk that may not answer.
        set_socket_timeout(&self.control, Timeout::Recv, Some(limits::CONNECT_WAIT))?;
        let mut why = Vec::new();
        File::from(self.control).read_to_end(&mut why)?;
        match String::from_utf8(why) {
            Ok(why) if why.is_empty() => Ok((self.program, self.connection)),
            why => Err(io::Error::other(why.unwrap_or_default())),
        }
    }
}

/// Waits to be told who the client is, and becomes the program. If the session ends
/// without a word, so does this.
fn become_program(run: &str, its: OwnedFd, errors: OwnedFd, control: &OwnedFd) -> ! {
    sys::release_signals();
    let mut told = Vec::with_capacity(limits::LOGGED_TEXT * 2);
    while let Ok(1..) | Err(Errno::INTR) = read(control, spare_capacity(&mut told)) {}
    let mut told = told.split(|&b| b == 0);
    let mut address = || str::from_utf8(told.next()?).ok()?.parse().ok();
    let (client, local) = (address(), address());
    let Some(client) = client else { sys::exit(exit::OK) };
    let mut words = run.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let mut command = Command::new(name);
    command.args(words).stderr(Stdio::from(errors));
    child::tell_client(&mut command, client, local);
    if let Some(name) = told.next().filter(|name| !name.is_empty()) {
        command.env("TCPREMOTEHOST", OsStr::from_bytes(name));
    }
    let error = match its.try_clone() {
        Ok(copy) => command.stdin(Stdio::from(copy)).stdout(Stdio::from(its)).exec(),
        Err(error) => error,
    };
    let _ = write(control, cannot_start(name, &error).as_bytes());
    sys::exit(exit::TEMPORARY)
}

impl Program {
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
