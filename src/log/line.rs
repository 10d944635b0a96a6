//! A log line: `key=value` pairs parted by spaces, printable ASCII.
//!
//! Keys are given as they stand in the line, `" key="`: three pieces in place of
//! one were 600 instructions of a session. Built by hand, since a session writes two of these and the standard
//! library's formatting took a fifth of all its instructions.

use std::io::Write as _;
use std::net::IpAddr;

use syslog::{Facility, Severity};

use super::Level;
use crate::limits;

/// A line being written. What every line of a session begins with is written
/// once; so is, before it, what syslogd wants there (`tag`), lest each line be copied
/// behind it.
#[derive(Clone, Debug)]
pub struct Line {
    text: Vec<u8>,
    tag: usize,
    head: usize,
}

/// What syslogd wants before a line: as RFC 3164, without the time. Every syslogd puts
/// its own time to a line that has none; ours would need the zone file, which a
/// jail does not have.
#[inline(always)]
pub(super) fn tag(ident: &str, pid: u32, text: &mut Vec<u8>) {
    text.push(b'<');
    text.extend(priority(Level::Info));
    text.push(b'>');
    text.extend(ident.as_bytes());
    text.push(b'[');
    digits::<10>(text, pid.into(), 1);
    text.extend(b"]: ");
}

/// The digits of facility and severity, which are two.
#[inline(always)]
fn priority(level: Level) -> [u8; 2] {
    let severity = match level {
        Level::Error => Severity::LOG_ERR,
        Level::Info => Severity::LOG_INFO,
    };
    let priority = Facility::LOG_MAIL as u8 | severity as u8;
    [b'0' + priority / 10, b'0' + priority % 10]
}

/// Makes this the level in a tag.
#[inline(always)]
pub(super) fn set_level(tagged: &mut [u8], level: Level) {
    if let Some(digits) = tagged.get_mut(1..3) {
        digits.copy_from_slice(&priority(level));
    }
}

impl Line {
    /// The lines of one session: its name, which is the time in microseconds
    /// and the process, and its client.
    #[must_use]
    #[inline(always)]
    pub fn new(micros: u64, pid: u32, ip: IpAddr, port: u16) -> Self {
        let mut line = Line { text: Vec::with_capacity(limits::REPLY), tag: 0, head: 0 };
        tag(super::IDENT, pid, &mut line.text);
        line.tag = line.text.len();
        line.text.extend(b"v=1 sid=");
        digits::<16>(&mut line.text, micros, 1);
        line.text.push(b'.');
        digits::<16>(&mut line.text, pid.into(), 1);
        line.text.extend(b" ip=[");
        match ip {
            IpAddr::V4(ip) => {
                for (n, octet) in ip.octets().into_iter().enumerate() {
                    line.text.extend((n > 0).then_some(b'.'));
                    digits::<10>(&mut line.text, octet.into(), 1);
                }
            }
            IpAddr::V6(ip) => drop(write!(line.text, "{ip}")),
        }
        line.text.push(b']');
        line.number(" port=", port.into());
        line.head = line.text.len();
        line
    }

    /// The lines of a process that has no session: it does not know the client,
    /// or is at its end.
    #[must_use]
    pub fn without_session() -> Self {
        let mut text = Vec::new();
        tag(super::IDENT, std::process::id(), &mut text);
        let tag = text.len();
        text.extend(b"v=1 sid=- ip=[-] port=-");
        Line { tag, head: text.len(), text }
    }

    /// The session's name in these lines.
    #[must_use]
    pub fn session(&self) -> &str {
        let name = self.as_bytes().split(|&b| b == b' ').nth(1).and_then(|sid| sid.get(4..));
        name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Begins the next line.
    pub fn begin(&mut self) -> &mut Self {
        self.text.truncate(self.head);
        self
    }

    /// The line so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(self.tag..).unwrap_or_default()
    }

    /// The same behind what syslogd wants before it, and the length of that.
    #[inline(always)]
    pub(super) fn tagged(&mut self, level: Level) -> (&[u8], usize) {
        set_level(&mut self.text, level);
        (&self.text, self.tag)
    }

    /// A word of ours.
    pub fn word(&mut self, key: &str, value: &str) -> &mut Self {
        self.text.extend(key.as_bytes());
        self.text.extend(value.as_bytes());
        self
    }

    /// A number.
    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.text.extend(key.as_bytes());
        digits::<10>(&mut self.text, value, 1);
        self
    }

    /// Words of ours as they stand, with the space before them.
    pub fn text(&mut self, words: &str) -> &mut Self {
        self.text.extend(words.as_bytes());
        self
    }

    /// Seconds, with three decimals.
    pub fn seconds(&mut self, key: &str, value: std::time::Duration) -> &mut Self {
        self.number(key, value.as_secs());
        self.text.push(b'.');
        digits::<10>(&mut self.text, value.subsec_millis().into(), 3);
        self
    }

    /// Octets from a peer, in angle brackets, shown so that they can neither
    /// end the line, nor move the reader's cursor, nor pass for another key:
    /// what is not printable ASCII, and `<`, `>`, `\` and space, are written as
    /// `\xNN`; what would be longer than [`limits::LOGGED_TEXT`] so is cut, not
    /// within such an escape, and ends in `...`.
    pub fn outside(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.text.extend(key.as_bytes());
        self.text.push(b'<');
        let start = self.text.len();
        let mut rest = value.get(..limits::LOGGED_TEXT).unwrap_or(value);
        while let Some((plain, after)) = rest.split_at_checked(plain(rest)) {
            self.text.extend_from_slice(plain);
            let Some((b, after)) = after.split_first() else { break };
            self.text.extend([b'\\', b'x', hex(b >> 4), hex(b & 15)]);
            rest = after;
        }
        if value.len() > limits::LOGGED_TEXT || self.text.len() > start + limits::LOGGED_TEXT {
            self.text.truncate(start + limits::LOGGED_TEXT);
            let escape = self.text.len().saturating_sub(3).max(start);
            let half = self.text.iter().skip(escape).position(|&b| b == b'\\');
            self.text.truncate(half.map_or(self.text.len(), |at| escape + at));
            self.text.extend(b"...");
        }
        self.text.push(b'>');
        self
    }
}

/// How many octets at the beginning are shown as they are. Eight at a time: one by one
/// took a tenth of all instructions of a line.
fn plain(octets: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    // The top bit of the first octet that is below, or is, this, and of none before it.
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |word: u64, octet: u8| below(word ^ (ONES * u64::from(octet)), 1);
    let (words, rest) = octets.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // `<` and `>` differ in one bit.
        let odd = below(word, b'!') | is(word | (ONES * 2), b'>') | is(word, b'\\');
        let odd = (odd | is(word, 0x7f) | word) & TOPS;
        if odd != 0 {
            return 8 * n + (odd.trailing_zeros() / 8) as usize;
        }
    }
    let odd = |b: &u8| !b.is_ascii_graphic() || matches!(b, b'<' | b'>' | b'\\');
    octets.len() - rest.len() + rest.iter().position(odd).unwrap_or(rest.len())
}

/// Appends the digits of a number, at least so many.
pub(super) fn digits<const BASE: u64>(out: &mut Vec<u8>, mut value: u64, least: usize) {
    // Half of the numbers of a line are small.
    if value < BASE && least <= 1 {
        return out.push(hex(value as u8));
    }
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if value == 0 && used >= least {
            break;
        }
        *digit = hex((value % BASE) as u8);
        value /= BASE;
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// The digit for a number below 16.
fn hex(n: u8) -> u8 {
    if n < 10 { b'0' + n } else { b'a' + (n - 10) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn line() -> Line {
        Line::new(0xabc, 16, Ipv4Addr::LOCALHOST.into(), 25)
    }

    fn text(line: &Line) -> String {
        String::from_utf8_lossy(line.as_bytes()).into_owned()
    }

    #[test]
    #[allow(clippy::indexing_slicing, reason = "a test fails so")]
    fn an_odd_octet_is_found_wherever_it_is() {
        let odd = |b: u8| !b.is_ascii_graphic() || matches!(b, b'<' | b'>' | b'\\');
        for octet in 0..=255 {
            for place in 0..24 {
                let mut octets = [b'='; 24];
                octets[place] = octet;
                assert_eq!(plain(&octets), if odd(octet) { place } else { 24 }, "{octet}");
                // Behind an odd one nothing else counts.
                octets[20] = 0;
                assert_eq!(plain(&octets), if odd(octet) { place.min(20) } else { 20 });
            }
        }
    }

    #[test]
    fn a_line_is_keys_and_values() {
        let mut line = line();
        line.begin().word(" end=", "quit").number(" octets=", 1024).number(" n=", 0);
        line.seconds(" t=", Duration::from_millis(61_007));
        let head = "v=1 sid=abc.10 ip=[127.0.0.1] port=25";
        assert_eq!(text(&line), format!("{head} end=quit octets=1024 n=0 t=61.007"));
        assert_eq!(text(line.begin()), head);
    }

    #[test]
    fn outside_text_cannot_leave_its_place() {
        for (octets, shown) in [
            (&b"a@b"[..], "a@b"),
            (b"", ""),
            (b"a> to=<b", "a\\x3e\\x20to=\\x3cb"),
            (b"\r\n\x1b[m\0\x7f", "\\x0d\\x0a\\x1b[m\\x00\\x7f"),
            ("é\\".as_bytes(), "\\xc3\\xa9\\x5c"),
        ] {
            let mut line = line();
            let head = text(&line);
            assert_eq!(text(line.outside(" x=", octets)), format!("{head} x=<{shown}>"));
        }
        let mut line = line();
        let before = text(&line).len();
        line.outside(" x=", &[b'x'; 1000]);
        assert_eq!(text(&line).len() - before, limits::LOGGED_TEXT + " x=<...>".len());
        assert!(text(&line).ends_with("xx...>"));
        for before in 0..4 {
            let mut line = self::line();
            line.outside(" x=", &[vec![b'x'; before], vec![0; 1000]].concat());
            assert!(text(&line).ends_with("\\x00...>"), "{before}");
        }
        // It is what is written that counts, for syslogd has limits too.
        let mut line = self::line();
        line.outside(" x=", &[0; 1000]);
        assert_eq!(text(&line).len() - before, limits::LOGGED_TEXT + " x=<...>".len());
    }
}
