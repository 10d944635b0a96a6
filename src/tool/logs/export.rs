//! The journal's export format (`journalctl -o export`): an entry is its fields and an
//! empty line; a field is `NAME=text`, or the name, eight octets of length and as many
//! octets of whatever there is.

use std::io;

use super::blocks::{Blocks, LINE, Next};

/// How it begins.
pub(super) const START: &[u8] = b"__CURSOR=";

/// What is of use in an entry.
#[derive(Default)]
struct Kept {
    message: Vec<u8>,
    ident: Vec<u8>,
    /// The process's own name and its unit, which the journal knows by itself.
    command: Vec<u8>,
    unit: Vec<u8>,
    pid: Vec<u8>,
    time: Option<u64>,
}

impl Kept {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        let field = match name {
            b"MESSAGE" => &mut self.message,
            b"SYSLOG_IDENTIFIER" => &mut self.ident,
            b"_COMM" => &mut self.command,
            b"_SYSTEMD_UNIT" => &mut self.unit,
            b"_PID" => &mut self.pid,
            b"__REALTIME_TIMESTAMP" => {
                self.time = std::str::from_utf8(value).ok().and_then(|time| time.parse().ok());
                return;
            }
            _ => return,
        };
        field.clear();
        field.extend_from_slice(value);
    }

    /// The entry as a line of a log.
    fn line(&self, line: &mut Vec<u8>) {
        let names = [&self.ident[..], &self.command, &self.unit];
        as_line(program(names), &self.pid, &self.message, line);
    }

    fn clear(&mut self) {
        self.message.clear();
        self.ident.clear();
        self.command.clear();
        self.unit.clear();
        self.pid.clear();
        self.time = None;
    }
}

/// Whose entry it is: what it calls itself, unless that says nothing and the journal knows
/// that it is ours.
pub(super) fn program([ident, command, unit]: [&[u8]; 3]) -> &[u8] {
    let said = ident.ends_with(b"/smtpd") || ident.ends_with(b"/postscreen");
    let ours = command == b"smtp-wrapper" || unit.starts_with(b"smtp-wrapper");
    if ours && !said && ident != b"smtp_wrapper" { b"smtp-wrapper" } else { ident }
}

/// Program, process and message as a syslogd would write them.
pub(super) fn as_line(program: &[u8], pid: &[u8], message: &[u8], line: &mut Vec<u8>) {
    line.clear();
    line.extend_from_slice(program);
    if !pid.is_empty() {
        line.push(b'[');
        line.extend_from_slice(pid);
        line.push(b']');
    }
    line.extend_from_slice(b": ");
    line.extend_from_slice(message.get(..LINE).unwrap_or(message));
}

/// Reads all entries.
pub(super) fn read(
    blocks: &mut Blocks,
    progress: &mut dyn FnMut(u64),
    mut each: impl FnMut(&[u8], Option<u64>),
) -> io::Result<()> {
    let (mut kept, mut name, mut line) = (Kept::default(), Vec::new(), Vec::new());
    loop {
        if let Some(octets) = blocks.news() {
            progress(octets);
        }
        name.clear();
        let ends = match blocks.next()? {
            Next::TooLong => continue,
            Next::Line(b"") => true,
            Next::End => {
                if !kept.message.is_empty() {
                    kept.line(&mut line);
                    each(&line, kept.time);
                }
                return Ok(());
            }
            Next::Line(field) => {
                match memchr::memchr(b'=', field) {
                    Some(at) => {
                        let (name, value) = field.split_at(at);
                        kept.set(name, value.get(1..).unwrap_or_default());
                    }
                    None => name.extend_from_slice(field),
                }
                false
            }
        };
        if ends && !kept.message.is_empty() {
            kept.line(&mut line);
            each(&line, kept.time);
        }
        if ends {
            kept.clear();
        } else if !name.is_empty() {
            let Some(&length) = blocks.take(8)?.and_then(|octets| octets.first_chunk::<8>()) else {
                return Ok(());
            };
            if let Some(value) = blocks.take(u64::from_le_bytes(length))? {
                kept.set(&name, value);
            }
            // The end of the line behind the octets.
            blocks.take(1)?;
        }
    }
}
