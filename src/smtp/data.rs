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

/// The mail data of one message, as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct MailData {
    /// The next octet begins a line.
    at_line_start: bool,
}

impl Default for MailData {
    fn default() -> Self {
        MailData {
            at_line_start: true,
        }
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
            let rest = bytes.get(at..).unwrap_or_default();
            if self.at_line_start {
                match rest {
                    [] | [b'.'] | [b'.', b'\r'] => return Scan::Within(at),
                    [b'.', b'\r', b'\n', ..] => return Scan::End(at + 3),
                    _ => self.at_line_start = false,
                }
            }
            let Some(n) = memchr2(b'\r', b'\n', rest) else {
                return Scan::Within(bytes.len());
            };
            match rest.get(n..) {
                Some([b'\r', b'\n', ..]) => {
                    at += n + 2;
                    self.at_line_start = true;
                }
                Some([b'\r']) => return Scan::Within(at + n),
                _ => return Scan::Bare(at + n),
            }
        }
    }
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
                Scan::Bare(_) => return (out, Some(Scan::Bare(0))),
            }
        }
        (out, None)
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
            let whole = relay(wire, &[]);
            assert_eq!(whole.1, ended, "{wire:?}");
            // How much went out before a bare newline depends on the cuts; it
            // must be a prefix of the message before it.
            assert!(relayed.starts_with(&whole.0) || ended == BARE, "{wire:?}");
            let bytewise: Vec<usize> = (1..wire.len()).collect();
            for cuts in (1..wire.len()).map(|n| vec![n]).chain([bytewise]) {
                let cut = relay(wire, &cuts);
                assert_eq!(cut.1, ended, "{wire:?} cut at {cuts:?}");
                if ended == BARE {
                    assert!(relayed.starts_with(&cut.0), "{wire:?} cut at {cuts:?}");
                } else {
                    assert_eq!(cut.0, relayed, "{wire:?} cut at {cuts:?}");
                }
            }
        }
    }
}
