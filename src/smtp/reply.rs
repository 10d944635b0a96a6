//! Replies of the MTA: parsed once, bounded, made printable, encoded afresh.

use memchr::memchr;

use super::line::{CRLF, has_control};
use crate::limits;

/// A reply, complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The reply code, 200 to 599.
    pub code: u16,
    /// The text of the lines, without code and CRLF, parted by LF.
    text: Vec<u8>,
}

impl Reply {
    /// The class of the reply, 2 to 5 (RFC 5321 4.2.1).
    #[must_use]
    pub fn class(&self) -> u16 {
        self.code / 100
    }

    /// The texts of the lines.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&b| b == b'\n')
    }

    /// The text of the last line, where MTAs put what matters.
    #[must_use]
    pub fn last_line(&self) -> &[u8] {
        self.lines().last().unwrap_or_default()
    }

    /// Keeps the first line, and of the others those that `keep` approves of.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let line_end = |text: &[u8]| memchr(b'\n', text).unwrap_or(text.len());
        let mut at = line_end(&self.text);
        while let Some((_, line)) = self.text.get(at..).and_then(<[u8]>::split_first) {
            let length = line_end(line);
            if keep(line.get(..length).unwrap_or_default()) {
                at += 1 + length;
            } else {
                self.text.drain(at..at + 1 + length);
            }
        }
    }

    /// Adds a line behind the others.
    pub fn add(&mut self, line: &str) {
        self.text.push(b'\n');
        self.text.extend_from_slice(line.as_bytes());
    }

    /// Writes the reply as it goes over the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut rest = &self.text[..];
        while let Some((line, more)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at))
        {
            encode_line(self.code, false, line, out);
            rest = more.get(1..).unwrap_or_default();
        }
        encode_line(self.code, true, rest, out);
    }
}

/// One line of a reply: code, hyphen or space, text.
pub(crate) fn encode_line(code: u16, last: bool, text: &[u8], out: &mut Vec<u8>) {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend([digit(code / 100), digit(code / 10), digit(code), if last { b' ' } else { b'-' }]);
    out.extend_from_slice(text);
    out.extend(*b"\r\n");
}

/// The MTA sent something that is not a reply (RFC 5321 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A reply whose lines are still arriving.
#[derive(Debug)]
pub struct Arriving {
    reply: Reply,
    lines: usize,
}

impl Default for Arriving {
    fn default() -> Self {
        let text = Vec::with_capacity(limits::REPLY);
        Arriving { reply: Reply { code: 0, text }, lines: 0 }
    }
}

impl Arriving {
    /// Takes one line, without its CRLF; gives the reply when it was the last.
    ///
    /// # Errors
    /// [`Malformed`] when it is no reply line, has another code than the lines
    /// before it, or there are too many.
    #[inline(always)] // For a session it is part of its loop; tools have one of their own.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, Malformed> {
        let (code, rest) = line.split_at_checked(3).ok_or(Malformed)?;
        let code = match code {
            &[a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => return Err(Malformed),
        };
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(Malformed),
        };
        let too_long = line.len() + CRLF > limits::REPLY_LINE || self.lines >= limits::REPLY_LINES;
        if too_long || (self.lines > 0 && code != self.reply.code) {
            return Err(Malformed);
        }
        if self.lines > 0 {
            self.reply.text.push(b'\n');
        }
        self.lines += 1;
        self.reply.code = code;
        // A control character could move the cursor of whoever reads it, or,
        // as CR or LF, begin a reply of its own.
        if has_control(text) {
            let printable = |&b: &u8| if b.is_ascii_control() && b != b'\t' { b'?' } else { b };
            self.reply.text.extend(text.iter().map(printable));
        } else {
            self.reply.text.extend_from_slice(text);
        }
        if last {
            self.lines = 0;
        }
        Ok(last.then(|| std::mem::take(&mut self.reply)))
    }

    /// Is there a part of a reply?
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.lines > 0
    }

    /// Forgets what has arrived of a reply.
    pub fn clear(&mut self) {
        self.lines = 0;
        self.reply.text.clear();
    }

    /// Takes back a reply that is done with, for its memory.
    pub fn reuse(&mut self, mut reply: Reply) {
        if self.lines == 0 {
            reply.text.clear();
            self.reply = reply;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reply(wire: &str) -> Result<Option<Reply>, Malformed> {
        let mut arriving = Arriving::default();
        let mut last = Ok(None);
        for line in wire.split("\r\n") {
            last = arriving.line(line.as_bytes());
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn a_reply_is_encoded_as_it_came() {
        for wire in ["250 ok", "250-a\r\n250-b c\r\n250 d", "334 ", "250-\r\n250 x"] {
            let mut out = Vec::new();
            reply(wire).unwrap().unwrap().encode(&mut out);
            assert_eq!(out, format!("{wire}\r\n").as_bytes());
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for wire in [
            "",
            "2",
            "25 ok",
            "hello",
            "150 no such class",
            "650 x",
            "2500 x",
            "250_ok",
            "250-a\r\n251 b", // one reply has one code
            " 250 ok",
            "2é0 ok",
        ] {
            assert_eq!(reply(wire), Err(Malformed), "{wire:?}");
        }
        assert_eq!(reply(&format!("250 {}", "x".repeat(limits::REPLY_LINE))), Err(Malformed));
        assert_eq!(reply(&vec!["250-x"; limits::REPLY_LINES + 1].join("\r\n")), Err(Malformed));
    }

    #[test]
    fn control_characters_are_made_visible_and_octets_above_stay() {
        let reply = reply("250 a\x1b[31m\0é\tb").unwrap().unwrap();
        assert_eq!(reply.last_line(), "a?[31m?é\tb".as_bytes());
    }

    #[test]
    fn some_lines_can_be_kept() {
        let mut r = reply("250-host\r\n250-SIZE 5\r\n250-CHUNKING\r\n250 DSN").unwrap().unwrap();
        r.retain(|line| line != b"CHUNKING" && line != b"DSN");
        let mut out = Vec::new();
        r.encode(&mut out);
        assert_eq!(out, b"250-host\r\n250 SIZE 5\r\n");
    }
}
