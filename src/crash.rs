//! The end of a session that goes wrong inside: a panic is a 421 for the
//! client, a line in the log and exit status 70, never a text on fd 2.
//!
//! Nothing is unwound: the process is the session, and the kernel closes the
//! MTA's connection, which without an end of mail data delivers nothing.

use std::panic;
use std::sync::{Mutex, OnceLock};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::stdio::{stdin, stdout};

use crate::config::{LogTo, Style};
use crate::exit;
use crate::io::write_if_ready;
use crate::log::line::Line;
use crate::log::{Level, Log};
use crate::smtp::standing;
use crate::tls;

/// A log that is connected, if one cannot be any more.
static CONNECTED: OnceLock<Mutex<Log>> = OnceLock::new();

/// The line of a panic goes to this log.
pub fn log_to(log: Log) {
    let _ = CONNECTED.set(Mutex::new(log));
}

/// From here on a panic ends the process in the way described.
pub fn install(log: (LogTo, Style)) {
    panic::set_hook(Box::new(move |info| {
        let mut reply = Vec::new();
        standing::INTERNAL.encode(&mut reply);
        say(&reply);
        let mut line = Line::without_session();
        line.word(" session=", "panic").word(" end=", standing::INTERNAL.rule);
        if let Some(place) = info.location() {
            line.word(" file=", place.file()).number(" line=", place.line().into());
        }
        match CONNECTED.get().and_then(|log| log.try_lock().ok()) {
            Some(mut connected) => connected.line(Level::Error, &mut line),
            None => Log::new(log).line(Level::Error, &mut line),
        }
        std::process::exit(exit::INTERNAL.into());
    }));
}

/// Sends a last word to the client, if it takes it at once; not on a connection that is
/// encrypted, where it would be taken for an attack.
pub fn say(reply: &[u8]) {
    if tls::has_begun() {
        return;
    }
    let sent = send(stdin(), reply, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    if let Err(Errno::NOTSOCK | Errno::NOTCONN) = sent {
        let _ = write_if_ready(stdout(), reply);
    }
}
