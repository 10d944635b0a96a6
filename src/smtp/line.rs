//! What a line is: octets up to CRLF, and only CRLF (RFC 5321 2.3.8).
//!
//! A CR or LF on its own never ends a line and is never passed on. Two programs
//! that disagree about it can be made to see two messages where one was sent
//! ("SMTP smuggling"), so it is decided here for both directions.

use memchr::memchr2;

/// What the octets begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A line of this many octets, followed by CRLF.
    Line(usize),
    /// A CR or LF outside of CRLF, at this offset.
    Bare(usize),
    /// No end of line so far; this many octets need not be looked at again.
    Partial(usize),
}

/// Length of CRLF.
pub const CRLF: usize = 2;

/// Finds the first line end in `bytes`, of which the first `seen` octets are
/// known to hold none (from [`Framed::Partial`] for the same, shorter octets).
#[must_use]
pub fn frame(bytes: &[u8], seen: usize) -> Framed {
    let unseen = bytes.get(seen..).unwrap_or_default();
    if unseen.is_empty() {
        return Framed::Partial(bytes.len());
    }
    match memchr2(b'\r', b'\n', unseen).map(|n| n + seen) {
        None => Framed::Partial(bytes.len()),
        Some(at) => match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => Framed::Line(at),
            Some([b'\r']) => Framed::Partial(at),
            _ => Framed::Bare(at),
        },
    }
}

/// Is there a control character in it, but for tabs (which RFC 5321 4.2 has in
/// the text of replies)? Looks at all octets without stopping, which the
/// compiler turns into sixteen at a time.
#[must_use]
pub fn has_control(bytes: &[u8]) -> bool {
    let control = |b: u8| u8::from(b < b' ') & u8::from(b != b'\t') | u8::from(b == 0x7f);
    bytes.iter().fold(0, |found, &b| found | control(b)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        for (bytes, found) in [
            (&b""[..], Framed::Partial(0)),
            (b"NOOP", Framed::Partial(4)),
            (b"NOOP\r", Framed::Partial(4)), // the LF may still come
            (b"NOOP\r\n", Framed::Line(4)),
            (b"\r\nx", Framed::Line(0)),
            (b"A\r\nB\r\n", Framed::Line(1)), // the first one counts
            (b"NOOP\n", Framed::Bare(4)),
            (b"NOOP\rQ\r\n", Framed::Bare(4)),
            (b"NOOP\r\r\n", Framed::Bare(4)), // CR CR LF: the first CR is bare
            (b"\n\r\n", Framed::Bare(0)),
        ] {
            assert_eq!(frame(bytes, 0), found, "{bytes:?}");
            // Octet by octet, going on from what was seen, it is the same.
            let mut seen = 0;
            for end in 0..=bytes.len() {
                match frame(bytes.get(..end).unwrap_or_default(), seen) {
                    Framed::Partial(n) => seen = n,
                    early => {
                        assert_eq!(early, found, "{bytes:?} at {end}");
                        break;
                    }
                }
            }
        }
    }
}
