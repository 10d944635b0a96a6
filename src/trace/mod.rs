//! The trace of a session: what passes between the client, us and the MTA, line by line as
//! in a dialogue (`C:` and `S:` on the client's side, `>M:` and `M:` on the MTA's).
//!
//! Of mail data only the length is told, and nothing of what a client proves itself with
//! ([`side`]). It is bounded ([`limits::TRACE`]); a trace that cannot be written ends, and
//! the session goes on.

mod side;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use crate::config::Traces;
use crate::dialogue::Peer;
use crate::limits;
use crate::log::line::Line;
use crate::log::{Level, Log};
use crate::sys;
use side::Side;

/// The trace of this session.
pub(crate) struct Trace {
    sink: Sink,
    began: Instant,
    client: Side,
    mta: Side,
    /// Octets that may still be written.
    left: usize,
}

enum Sink {
    Log(Log, Line),
    File(File),
    Over,
}

impl Trace {
    /// Begins it: in a log and with lines as the session's, or in a file of the session's
    /// name.
    ///
    /// # Errors
    /// Those of making the file, which must not be there.
    pub(crate) fn begin(
        traces: &Traces,
        log: &Log,
        line: &Line,
        began: Instant,
    ) -> io::Result<Trace> {
        let sink = match traces.directory {
            None => Sink::Log(log.another(), line.clone()),
            Some(directory) => {
                let mut options = File::options();
                let options = options.write(true).create_new(true).mode(0o600);
                sys::outlive_file_limit();
                Sink::File(options.open(directory.join(line.session()))?)
            }
        };
        let (client, mta) = (Side::new("C: ", "S: "), Side::new(">M: ", "M: "));
        Ok(Trace { sink, began, client, mta, left: limits::TRACE })
    }

    /// These octets came from the peer; none: it will send nothing more.
    #[cold]
    pub(crate) fn received(&mut self, peer: Peer, octets: &[u8]) {
        let mut lines = Vec::new();
        match peer {
            Peer::Client if octets.is_empty() => self.client.asker_has_closed(&mut lines),
            Peer::Client => self.client.asked(octets, &mut lines),
            Peer::Mta if octets.is_empty() => self.mta.answerer_has_closed(&mut lines),
            Peer::Mta => self.mta.answered(octets, &mut lines),
        }
        self.write(&lines);
    }

    /// The peer took these octets.
    #[cold]
    pub(crate) fn sent(&mut self, peer: Peer, octets: &[u8]) {
        let mut lines = Vec::new();
        match peer {
            Peer::Client => self.client.answered(octets, &mut lines),
            Peer::Mta => self.mta.asked(octets, &mut lines),
        }
        self.write(&lines);
    }

    fn write(&mut self, lines: &[Vec<u8>]) {
        for line in lines {
            if matches!(self.sink, Sink::Over) {
                return;
            }
            match self.left.checked_sub(line.len()) {
                Some(left) => {
                    self.left = left;
                    self.put(line);
                }
                None => {
                    self.put(b"(the trace is too long and ends here)");
                    self.sink = Sink::Over;
                }
            }
        }
    }

    fn put(&mut self, text: &[u8]) {
        let at = self.began.elapsed();
        match &mut self.sink {
            Sink::Over => {}
            Sink::Log(log, line) => {
                line.begin().word(" session=", "trace").outside(" why=", text).seconds(" t=", at);
                log.line(Level::Info, line);
            }
            Sink::File(file) => {
                let mut line = format!("{:.3} ", at.as_secs_f64()).into_bytes();
                printable(text, &mut line);
                line.push(b'\n');
                if file.write_all(&line).is_err() {
                    self.sink = Sink::Over;
                }
            }
        }
    }
}

/// Appends octets from outside, for a terminal.
fn printable(text: &[u8], out: &mut Vec<u8>) {
    for octet in text {
        match octet {
            b'\\' => out.extend_from_slice(b"\\x5c"),
            b' '..=b'~' => out.push(*octet),
            odd => out.extend_from_slice(format!("\\x{odd:02x}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
