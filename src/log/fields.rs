//! Reads the lines that [`super::line`] writes: for the other styles of the log, and for
//! the tools that read logs.
//!
//! No value has a space in it, and what came from outside stands in angle brackets of
//! which it has none itself: so a line is taken apart by looking for two octets.

use memchr::{memchr, memmem};

/// How the first of the fields begins, which tells such a line from others.
pub const START: &[u8] = b"v=1 sid=";

/// The keys and values of a line, in their order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Those of a line; whatever syslogd put in front of it is passed over. `None`: it is
    /// no such line.
    #[must_use]
    pub fn of(line: &'a [u8]) -> Option<Fields<'a>> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let start = if line.starts_with(START) { 0 } else { memmem::find(line, START)? };
        // What comes from outside has no space: it cannot hold such a start itself.
        Some(Fields { rest: line.get(start..)? })
    }

    /// The value of this key, if the line has it, as it is written.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        self.clone().find(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr(b' ', self.rest).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        let equals = memchr(b'=', field).unwrap_or(field.len());
        Some((field.get(..equals)?, field.get(equals + 1..).unwrap_or_default()))
    }
}

/// What stands between the brackets of a value from outside; `None`: it is a word of
/// ours.
#[must_use]
pub fn from_outside(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"<")?.strip_suffix(b">")
}

/// The octets that were written so: each `\xNN` is one octet.
pub fn decode(written: &[u8], out: &mut Vec<u8>) {
    let mut rest = written;
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escape {
            [b'\\', b'x', high, low, after @ ..] => {
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => out.push(high << 4 | low),
                    _ => out.extend_from_slice(&[b'\\', b'x', *high, *low]),
                }
                after
            }
            // Cut there.
            cut => {
                out.extend_from_slice(cut);
                b""
            }
        };
    }
    out.extend_from_slice(rest);
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails so")]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::line::Line;
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let octets: Vec<u8> = (0..=255).collect();
        let mut line = Line::new(1, 2, Ipv4Addr::LOCALHOST.into(), 25);
        line.begin().word(" verdict=", "pass").outside(" helo=", b"").outside(" why=", &octets);
        let logged = [b"Nov  1 00:00:00 host smtp-wrapper[2]: ", line.as_bytes()].concat();
        let fields = Fields::of(&logged).expect("a line of ours");
        assert_eq!(fields.get(b"sid"), Some(&b"1.2"[..]));
        assert_eq!(fields.get(b"verdict"), Some(&b"pass"[..]));
        assert_eq!(fields.get(b"helo").and_then(from_outside), Some(&b""[..]));
        assert_eq!(fields.get(b"ip").and_then(from_outside), None);
        let mut read = Vec::new();
        decode(fields.get(b"why").and_then(from_outside).expect("in brackets"), &mut read);
        // The line is cut there.
        let whole = read.strip_suffix(b"...").unwrap_or(&read);
        assert!(whole.len() > 32 && octets.starts_with(whole), "{read:?}");
    }

    #[test]
    fn other_lines_and_odd_escapes_are_no_trouble() {
        assert!(Fields::of(b"Nov  1 00:00:00 host sshd[2]: session opened").is_none());
        for odd in [&b"\\"[..], b"\\x", b"\\x4", b"\\xzz", b"a\\q"] {
            let mut read = Vec::new();
            decode(odd, &mut read);
            assert_eq!(read, odd);
        }
        let fields: Vec<_> = Fields::of(b"v=1 sid=-  x =y z=").expect("a line").collect();
        assert_eq!(fields.len(), 6);
    }
}
