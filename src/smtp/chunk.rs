//! The lines of a message that comes in chunks (RFC 3030).
//!
//! A chunk has a size, so nothing in it can be taken for its end; but it may be cut
//! anywhere, also between CR and LF. To an MTA that takes chunks the octets go as they
//! are. For one that does not, and for filters, a message is what it would be on the wire
//! after DATA: a dot that begins a line is doubled, and a line that has no end at the end
//! of the message gets one, for the final dot needs a line of its own.
//!
//! A bare CR or LF is refused here too, unless the client said that the message is
//! binary: the MTA may hand it on to somebody by DATA.

use memchr::memchr2;

use super::data::{BLOCK, is_plain};

/// What comes behind the octets that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// More of the same chunk.
    More,
    /// The next chunk.
    Chunk,
    /// Nothing: the message ends with them.
    Nothing,
}

/// What [`Lines::scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The first `n` octets are good. The next one, if it is there, is a CR on which nothing
    /// is known yet, or a dot that begins a line.
    Good(usize),
    /// The first octet is a dot that begins a line.
    Dot,
    /// The one octet that is shown is a CR, whose LF is the next chunk's.
    Parted,
    /// A CR or LF outside of CRLF, at this offset.
    Bare(usize),
}

/// The lines of a message, as its chunks arrive.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// The next octet begins a line.
    at_line_start: bool,
    /// The last octet was a CR.
    after_cr: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Lines { at_line_start: true, after_cr: false }
    }
}

impl Lines {
    /// Looks at the octets that follow those found good so far, for dots only if they are
    /// to be doubled.
    pub fn scan(&mut self, bytes: &[u8], behind: Behind, dots: bool) -> Found {
        let mut at = 0;
        if self.after_cr {
            match bytes {
                [] => return Found::Good(0),
                [b'\n', ..] => (at, *self) = (1, Lines::default()),
                _ => return Found::Bare(0),
            }
        }
        loop {
            while let Some(block) = bytes.get(at..at + BLOCK)
                && is_plain(block, self.at_line_start)
            {
                self.at_line_start = block.last() == Some(&b'\n');
                at += BLOCK;
            }
            // Line by line through what is not plain, or too short to tell.
            let odd = at + BLOCK;
            while at < odd {
                let rest = bytes.get(at..).unwrap_or_default();
                match rest.first() {
                    None => return Found::Good(at),
                    Some(b'.') if dots && self.at_line_start => {
                        return if at == 0 { Found::Dot } else { Found::Good(at) };
                    }
                    Some(_) => self.at_line_start = false,
                }
                let Some(n) = memchr2(b'\r', b'\n', rest) else {
                    return Found::Good(bytes.len());
                };
                match (rest.get(n..).unwrap_or_default(), behind) {
                    ([b'\r', b'\n', ..], _) => self.at_line_start = true,
                    ([b'\r'], Behind::More) => return Found::Good(at + n),
                    ([b'\r'], Behind::Chunk) if at + n > 0 => return Found::Good(at + n),
                    ([b'\r'], Behind::Chunk) => {
                        self.after_cr = true;
                        return Found::Parted;
                    }
                    _ => return Found::Bare(at + n),
                }
                at += n + 2;
            }
        }
    }

    /// A dot that begins a line is dealt with.
    pub fn pass_dot(&mut self) {
        self.at_line_start = false;
    }

    /// Is half a line end there?
    #[must_use]
    pub fn is_after_cr(&self) -> bool {
        self.after_cr
    }

    /// The LF that the CR of the chunk before waited for is dealt with.
    pub fn pass_lf(&mut self) {
        *self = Lines::default();
    }

    /// What ends the message as mail data.
    #[must_use]
    pub fn end(&self) -> &'static [u8] {
        if self.at_line_start { b".\r\n" } else { b"\r\n.\r\n" }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// What is made of a message that comes in these chunks, each in these pieces.
    fn encoded(message: &[u8], chunk: usize, piece: usize) -> Result<Vec<u8>, Vec<u8>> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let chunks: Vec<&[u8]> = message.chunks(chunk).collect();
        for (n, chunk) in chunks.iter().enumerate() {
            let (mut here, mut done) = (0, 0);
            while done < chunk.len() {
                here = (here + piece).min(chunk.len()).max(done + 1);
                let behind = match (here == chunk.len(), n + 1 == chunks.len()) {
                    (false, _) => Behind::More,
                    (true, false) => Behind::Chunk,
                    (true, true) => Behind::Nothing,
                };
                let parted = lines.is_after_cr();
                match lines.scan(&chunk[done..here], behind, true) {
                    Found::Good(count) => {
                        out.extend(parted.then_some(b'\r').filter(|_| count > 0));
                        out.extend(&chunk[done..done + count]);
                        done += count;
                    }
                    Found::Dot => {
                        out.extend(b"..");
                        lines.pass_dot();
                        done += 1;
                    }
                    Found::Parted => done += 1,
                    Found::Bare(count) => {
                        out.extend(parted.then_some(b'\r').filter(|_| count > 0));
                        out.extend(&chunk[done..done + count]);
                        return Err(out);
                    }
                }
            }
        }
        out.extend(lines.end());
        Ok(out)
    }

    #[test]
    fn cuts_make_no_difference() {
        for (message, made) in [
            (&b""[..], Ok(&b".\r\n"[..])),
            (b"a", Ok(b"a\r\n.\r\n")),
            (b"a\r\n", Ok(b"a\r\n.\r\n")),
            (b".", Ok(b"..\r\n.\r\n")),
            (b".\r\n", Ok(b"..\r\n.\r\n")),
            (b"a\r\n.\r\nb\r\n", Ok(b"a\r\n..\r\nb\r\n.\r\n")),
            (b"..\r\n...a.\r\n\r\n", Ok(b"...\r\n....a.\r\n\r\n.\r\n")),
            (b"\0\xff\r\n", Ok(b"\0\xff\r\n.\r\n")),
            (b"a\rb", Err(&b"a"[..])),
            (b"a\nb", Err(b"a")),
            (b"\n", Err(b"")),
            (b"a\r\r\n", Err(b"a")),
            (b"a\r\n\r", Err(b"a\r\n")),
            (b"a\r\n.\r", Err(b"a\r\n..")),
        ] {
            let made = made.map(<[u8]>::to_vec).map_err(<[u8]>::to_vec);
            for (chunk, piece) in (1..8).flat_map(|chunk| (1..8).map(move |piece| (chunk, piece))) {
                let got = encoded(message, chunk, piece);
                assert_eq!(got, made, "{} {chunk} {piece}", message.escape_ascii());
            }
        }
    }

    /// Whatever is decided block by block is what is decided line by line.
    #[test]
    fn blocks_make_no_difference() {
        for tail in ["\r\n.\r\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n..\r\n", "\r\r\n", ".\r\n"]
        {
            for at in BLOCK - 4..BLOCK + 4 {
                let message = [&vec![b'x'; at][..], tail.as_bytes(), &[b'y'; 2 * BLOCK]].concat();
                let whole = encoded(&message, message.len(), message.len());
                assert_eq!(whole, encoded(&message, 7, 1), "{tail:?} at {at}");
                assert_eq!(whole, encoded(&message, BLOCK + 1, 100), "{tail:?} at {at}");
            }
        }
    }
}
