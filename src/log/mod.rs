//! Where log lines go, and that they never hold up mail: who does not take a
//! line within a moment does not get it.

pub mod fields;
pub mod line;
pub mod style;
mod syslog;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::time::{SystemTime, UNIX_EPOCH};

use ::syslog::{Logger, LoggerBackend};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::stdio::{stderr, stdin, stdout};

use crate::activation::{self, Client};
use crate::config::{LogTo, Style};
use crate::io::write_if_ready;
use crate::{limits, sys};

use self::syslog::Syslog;
pub(crate) use self::syslog::reaches_syslog;
use line::Line;

/// Who writes lines, for syslogd.
const IDENT: &str = "smtp-wrapper";

/// What a line is about, after syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A fault of ours or of what is behind us.
    Error,
    /// What happened.
    Info,
}

/// The log of one process.
pub struct Log {
    sink: Sink,
    pid: u32,
    /// The sink was waited for in vain.
    stuck: bool,
    style: Style,
    /// The next line is about one more recipient of the same message.
    again: bool,
    /// fd 2, if it is ours: a socket that is to be connected to syslogd. It stays open, or what is
    /// opened next would be taken for fd 2.
    socket: Option<UnixDatagram>,
}

enum Sink {
    Nowhere,
    /// fd 2; lines for the journal have their level in front (sd-daemon(3)).
    Stderr {
        journal: bool,
    },
    /// Not connected before there is something to say.
    Syslog {
        path: Option<&'static str>,
    },
    Open(Syslog),
}

impl Log {
    /// The log as asked for. fd 2 must still be what it was at the start.
    #[must_use]
    pub fn new((to, style): (LogTo, Style)) -> Self {
        let sink = match to {
            LogTo::Nowhere => Sink::Nowhere,
            LogTo::Stderr if stderr_is_client() => Sink::Syslog { path: None },
            LogTo::Stderr => Sink::Stderr { journal: stderr_is_journal() },
            LogTo::Auto if stderr_is_journal() && !stderr_is_client() => {
                Sink::Stderr { journal: true }
            }
            LogTo::Auto | LogTo::Syslog => Sink::Syslog { path: None },
            LogTo::SyslogAt(path) => Sink::Syslog { path: Some(path) },
        };
        Log { sink, pid: std::process::id(), stuck: false, style, again: false, socket: None }
    }

    /// Connects now to what is connected to when there is something to say; what is not there
    /// is looked for once more then.
    pub(crate) fn connect(&mut self) {
        if let Sink::Syslog { path } = self.sink
            && let Some(logger) = self.open(path)
        {
            self.sink = Sink::Open(logger);
        }
    }

    /// Connects to syslogd, by fd 2 if that is ours.
    fn open(&mut self, path: Option<&str>) -> Option<Syslog> {
        let socket = self.socket.take().map_or_else(syslog::socket, Ok).ok()?;
        if syslog::connect(&socket, path).is_err() {
            self.socket = Some(socket);
            return None;
        }
        Some(syslog::logger(socket))
    }

    /// A log that goes to the same place.
    #[must_use]
    pub fn another(&self) -> Log {
        let sink = match &self.sink {
            Sink::Stderr { journal } => Sink::Stderr { journal: *journal },
            Sink::Syslog { path } => Sink::Syslog { path: *path },
            Sink::Open(Logger { backend: LoggerBackend::Unix(socket), .. }) => socket
                .try_clone()
                .map_or(Sink::Nowhere, |socket| Sink::Open(syslog::logger(socket))),
            Sink::Open(_) | Sink::Nowhere => Sink::Nowhere,
        };
        Log { sink, socket: None, ..*self }
    }

    /// The lines of the session with this client.
    #[must_use]
    #[inline(always)]
    pub fn session(&self, client: &Client) -> Line {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Line::new(time.as_micros() as u64, self.pid, client.ip, client.port)
    }

    /// Points fd 2 away from where it leads, if that is not the log.
    ///
    /// # Errors
    /// It cannot be done; fd 2 is closed.
    pub fn leave_stderr(&mut self) -> io::Result<()> {
        if !matches!(self.sink, Sink::Stderr { .. }) {
            self.socket = Some(syslog::socket_as_stderr()?);
        }
        Ok(())
    }

    /// Does the log tell of a session when it begins?
    #[must_use]
    pub fn tells_of_beginnings(&self) -> bool {
        self.style == Style::Postfix
    }

    /// Writes a line, or loses it.
    pub fn line(&mut self, level: Level, line: &mut Line) {
        if self.style == Style::Native {
            let (tagged, tag) = line.tagged(level);
            self.put(level, tagged, tag);
        } else {
            self.styled(level, line.as_bytes());
        }
    }

    /// Writes a line about one of the recipients of a message; the first of them, or one more.
    pub fn line_of_recipient(&mut self, level: Level, line: &mut Line, first: bool) {
        self.again = !first;
        self.line(level, line);
        self.again = false;
    }

    #[cold]
    #[inline(never)]
    fn styled(&mut self, level: Level, text: &[u8]) {
        for line in style::render(self.style, text, self.again) {
            let mut tagged = Vec::with_capacity(line.len() + 40);
            line::tag(style::ident(self.style), self.pid, &mut tagged);
            line::set_level(&mut tagged, level);
            let tag = tagged.len();
            tagged.extend(line);
            self.put(level, &tagged, tag);
        }
    }

    /// Writes a line that comes behind its tag, which is so long.
    #[inline(always)] // Most lines are written as they are.
    fn put(&mut self, level: Level, tagged: &[u8], tag: usize) {
        if let Sink::Syslog { path } = self.sink {
            self.sink = self.open(path).map_or(Sink::Nowhere, Sink::Open);
        }
        // Whatever goes wrong, mail is not to suffer from it.
        if self.write(level, tagged, tag).is_err() && !self.stuck {
            self.stuck = !self.comes_free();
            let _ = self.write(level, tagged, tag);
        }
    }

    fn write(&mut self, level: Level, tagged: &[u8], tag: usize) -> io::Result<()> {
        match &mut self.sink {
            Sink::Nowhere | Sink::Syslog { .. } => Ok(()),
            Sink::Stderr { journal } => {
                write_stderr(level, *journal, tagged.get(tag..).unwrap_or_default())
            }
            Sink::Open(logger) => logger.info(tagged).map_err(io::Error::other),
        }
    }

    /// Does the sink take something before long?
    fn comes_free(&self) -> bool {
        let fd = match &self.sink {
            Sink::Stderr { .. } => stderr(),
            Sink::Open(Logger { backend: LoggerBackend::Unix(socket), .. }) => socket.as_fd(),
            _ => return false,
        };
        let Ok(time) = Timespec::try_from(limits::LOG_WAIT) else {
            return false;
        };
        matches!(poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&time)), Ok(1..))
    }
}

/// The sockets that a log may connect to.
pub(crate) fn sockets(to: LogTo) -> Vec<&'static str> {
    match to {
        LogTo::Auto | LogTo::Stderr | LogTo::Syslog => syslog::SOCKETS.to_vec(),
        LogTo::SyslogAt(path) => vec![path],
        LogTo::Nowhere => Vec::new(),
    }
}

/// Does fd 2 lead to the journal (systemd.exec(5), JOURNAL_STREAM)?
fn stderr_is_journal() -> bool {
    let Some(stream) = sys::variable("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = fstat(stderr()) else {
        return false;
    };
    stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Does fd 2 lead to the client, as inetd makes it? No log is an Internet
/// socket; a Unix socket or pipe may be both fd 2 and the client.
fn stderr_is_client() -> bool {
    if activation::is_client(stderr()) {
        return true;
    }
    let same = |client: BorrowedFd<'_>| match (fstat(stderr()), fstat(client)) {
        (Ok(ours), Ok(client)) => (ours.st_dev, ours.st_ino) == (client.st_dev, client.st_ino),
        _ => false,
    };
    // On a terminal all three are one, and nobody is misled.
    !rustix::termios::isatty(stderr()) && (same(stdin()) || same(stdout()))
}

#[inline(never)] // Not in every session.
fn write_stderr(level: Level, journal: bool, text: &[u8]) -> io::Result<()> {
    let mut line = Vec::with_capacity(text.len() + 4);
    if journal {
        line.extend(if level == Level::Error { b"<3>" } else { b"<6>" });
    }
    line.extend(text);
    line.push(b'\n');
    let sent = match send(stderr(), &line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::NOTSOCK) => write_if_ready(stderr(), &line),
        sent => sent,
    };
    sent.map(|_| ()).map_err(io::Error::from)
}
