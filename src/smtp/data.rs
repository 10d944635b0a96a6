//! Mail data: where it ends, and that nothing in it can be taken for its end
//! (transparency, RFC 5321 4.5.2).
//!
//! Mail data ends with CRLF "." CRLF and nothing else; the CRLF may be the one
//! that ended the DATA command, so that a message can be empty. A bare CR or LF
//! is refused (RFC 5321 2.3.8: "MUST NOT"), for it is how one program's text
//! becomes another one's end of data.
//!
//! Once that is ensured, the wire form of a message is the only one it has:
//! decoding it and encoding it again gives the same octets. So what is found
//! good is relayed as it stands, without a copy; a line that begins with a
//! single dot (which a client should have doubled) means the same to the MTA as
//! to us. A design that unpacked and packed each line was measured at half the
//! speed and decided nothing more.
//!
//! Octets that may be the beginning of the end, or of a bare CR, are held back
//! until the octet that decides has come: whatever reaches the MTA is inside
//! the message for certain.

use memchr::memchr2;

/// What [`MailData::scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The first `n` octets belong to the message; the rest (three octets at
    /// most) is undecided and must be shown again, with what follows it.
    Within(usize),
    /// The message ends, its final dot included, after `n` octets.
    End(usize),
    /// A CR or LF outside of CRLF, at this offset.
    Bare(usize),
}

/// How many octets are looked at together. Small messages are not worth it:
/// their only block would not be plain, for it has their end.
pub(super) const BLOCK: usize = 4096;

/// The mail data of one message, as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct MailData {
    /// The next octet begins a line.
    at_line_start: bool,
}

impl Default for MailData {
    fn default() -> Self {
        MailData { at_line_start: true }
    }
}

impl MailData {
    /// A bare CR or LF that [`MailData::scan`] found is behind us: mail data
    /// that is refused is still read to its real end.
    pub fn pass_bare(&mut self) {
        self.at_line_start = false;
    }

    /// Looks at the octets that follow those found good so far.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        loop {
            while let Some(block) = bytes.get(at..at + BLOCK)
                && self.is_plain(block)
            {
                at += BLOCK;
            }
            // Line by line through what is not plain, or too short to tell.
            let odd = at + BLOCK;
            while at < odd {
                match self.scan_line(bytes.get(at..).unwrap_or_default()) {
                    Scan::Within(0) => return Scan::Within(at),
                    Scan::Within(count) => at += count,
                    Scan::End(count) => return Scan::End(at + count),
                    Scan::Bare(offset) => return Scan::Bare(at + offset),
                }
            }
        }
    }

    fn is_plain(&mut self, block: &[u8]) -> bool {
        let plain = is_plain(block, self.at_line_start);
        if plain {
            self.at_line_start = block.last() == Some(&b'\n');
        }
        plain
    }

    /// Looks at the octets up to the end of a line, and what that may mean.
    fn scan_line(&mut self, bytes: &[u8]) -> Scan {
        if self.at_line_start {
            match bytes {
                [] | [b'.'] | [b'.', b'\r'] => return Scan::Within(0),
                [b'.', b'\r', b'\n', ..] => return Scan::End(3),
                _ => self.at_line_start = false,
            }
        }
        let Some(n) = memchr2(b'\r', b'\n', bytes) else {
            return Scan::Within(bytes.len());
        };
        match bytes.get(n..) {
            Some([b'\r', b'\n', ..]) => {
                self.at_line_start = true;
                Scan::Within(n + 2)
            }
            Some([b'\r']) => Scan::Within(n),
            _ => Scan::Bare(n),
        }
    }
}

/// Can a block be taken as a whole, because nothing in it has to be decided: each CR has
/// its LF, and no line begins with a dot? Most mail consists of such
/// blocks, and the compiler makes of this loop one that looks at sixteen
/// octets at once, three times as fast as searching for each line's end.
pub(super) fn is_plain(block: &[u8], at_line_start: bool) -> bool {
    let (Some(&first), Some(&last)) = (block.first(), block.last()) else {
        return false;
    };
    let undecided = first == b'\n' || (first == b'.' && at_line_start) || last == b'\r';
    let next = block.get(1..).unwrap_or_default();
    let odd = block.iter().zip(next).fold(false, |odd, (&a, &b)| {
        odd | ((a == b'\r') != (b == b'\n')) | ((a == b'\n') & (b == b'.'))
    });
    !undecided && !odd
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is relayed of `wire`, and how it ended, when it arrives in the
    /// pieces given by `cuts`.
    fn relay(wire: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Scan>) {
        let (mut data, mut held, mut out) = (MailData::default(), Vec::new(), Vec::new());
        let mut from = 0;
        for &to in cuts.iter().chain([&wire.len()]) {
            held.extend_from_slice(wire.get(from..to).unwrap_or_default());
            from = to;
            match data.scan(&held) {
                Scan::Within(n) => out.extend(held.drain(..n)),
                Scan::End(n) => {
                    out.extend(held.drain(..n));
                    return (out, Some(Scan::End(0)));
                }
                Scan::Bare(n) => {
                    out.extend(held.drain(..n));
                    return (out, Some(Scan::Bare(0)));
                }
            }
        }
        (out, None)
    }

    /// Each end of a line and of a message, at each place around the border of
    /// a block: what is decided block by block is what is decided line by line.
    #[test]
    fn blocks_make_no_difference() {
        for tail in ["\r\n.\r\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n..\r\n", "\r\r\n", ".\r\n"]
        {
            for at in BLOCK - 6..BLOCK + 6 {
                let wire = [&vec![b'x'; at][..], tail.as_bytes(), &[b'y'; 2 * BLOCK]].concat();
                let bytewise: Vec<usize> = (1..wire.len()).collect();
                assert_eq!(relay(&wire, &[]), relay(&wire, &bytewise), "{tail:?} at {at}");
            }
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_mail_data() {
        const END: Option<Scan> = Some(Scan::End(0));
        const BARE: Option<Scan> = Some(Scan::Bare(0));
        for (wire, relayed, ended) in [
            (&b".\r\n"[..], &b".\r\n"[..], END),     // an empty message
            (b"a\r\n.\r\nNOOP", b"a\r\n.\r\n", END), // what follows is not ours
            (b"..\r\n.\r\n", b"..\r\n.\r\n", END),   // a doubled dot on the first line
            (b".a\r\n.\r\n", b".a\r\n.\r\n", END),   // a dot not doubled
            (b"a\r\n..\r\n", b"a\r\n..\r\n", None),
            (b"a\r\n.", b"a\r\n", None), // held back
            (b"a\r\n.\r", b"a\r\n", None),
            (b"a\r", b"a", None),
            (b"a\n.\r\n", b"a", BARE),
            (b"a\r.\r\n", b"a", BARE),
            (b"a\r\n.\n", b"a\r\n.", BARE),
            (b"a\r\n.\rb", b"a\r\n.", BARE),
            (b"a\r\r\n.\r\n", b"a", BARE),
            (b"\0\xff\r\n.\r\n", b"\0\xff\r\n.\r\n", END), // any other octet is content
        ] {
            let expected = (relayed.to_vec(), ended);
            assert_eq!(relay(wire, &[]), expected, "{wire:?}");
            let bytewise: Vec<usize> = (1..wire.len()).collect();
            for cuts in (1..wire.len()).map(|n| vec![n]).chain([bytewise]) {
                assert_eq!(relay(wire, &cuts), expected, "{wire:?} cut at {cuts:?}");
            }
        }
    }
}
