//! What may pass of a chunk: as it is, to an MTA that takes chunks, or written as mail
//! data.

use super::chunking::Refused;
use crate::smtp::chunk::{Behind, Found, Lines};

/// A message that comes in chunks, and the chunk that is coming.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pub(super) lines: Lines,
    /// It is not made of lines.
    pub(super) binary: bool,
    /// It goes to the MTA, or to the filters, as mail data.
    pub(super) as_data: bool,
    /// Octets of this chunk that are yet to be looked at.
    pub(super) left: u64,
    /// This chunk is the message's last.
    pub(super) last: bool,
    /// BDAT for the MTA, which it has not got yet.
    pub(super) command: Option<String>,
    /// Nobody gets what is left.
    pub(super) refused: Option<Refused>,
    /// What is written otherwise than it came, and has not passed yet; it goes before what lies in
    /// the inbox.
    pub(super) encoded: Vec<u8>,
}

/// How much is written otherwise than it came before it passes: lines that begin with
/// dots cost a copy, but not a system call each.
const ENCODED: usize = 4096;

/// What may pass of the octets that are there.
pub(super) enum Piece {
    /// So many, from where they lie.
    AsTheyAre(usize),
    /// So many, as what is written otherwise.
    Encoded(usize),
    /// Nothing before more has come.
    Undecided,
    /// A CR or LF outside of CRLF comes first.
    Bare,
}

impl Chunks {
    /// Looks at the octets that are there.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Piece {
        let all = self.left == bytes.len() as u64;
        let behind = match (all, self.last) {
            (false, _) => Behind::More,
            (true, false) => Behind::Chunk,
            (true, true) => Behind::Nothing,
        };
        if self.as_data {
            return self.encode(bytes, behind);
        }
        if self.binary {
            return if bytes.is_empty() { Piece::Undecided } else { Piece::AsTheyAre(bytes.len()) };
        }
        match self.lines.scan(bytes, behind, false) {
            Found::Bare(0) => Piece::Bare,
            Found::Good(0) => Piece::Undecided,
            // What is good before a bare newline passes first, so that it makes no
            // difference how the client's octets were cut into packets.
            Found::Good(count) | Found::Bare(count) => Piece::AsTheyAre(count),
            // The MTA was told of it. Without the LF it never gets the last chunk.
            Found::Parted | Found::Dot => Piece::AsTheyAre(1),
        }
    }

    fn encode(&mut self, bytes: &[u8], behind: Behind) -> Piece {
        let mut at = 0;
        // The CR has waited for its LF.
        if self.lines.is_after_cr() && bytes.starts_with(b"\n") {
            self.lines.pass_lf();
            self.encoded.extend_from_slice(b"\r\n");
            at = 1;
        }
        while let Some(rest) = bytes.get(at..)
            && !rest.is_empty()
            && self.encoded.len() < ENCODED
        {
            // Where something is written otherwise already, the rest is copied behind it.
            let most = if self.encoded.is_empty() { rest.len() } else { ENCODED };
            let (piece, behind) = match rest.get(..most) {
                Some(piece) if piece.len() < rest.len() => (piece, Behind::More),
                _ => (rest, behind),
            };
            match self.lines.scan(piece, behind, true) {
                Found::Bare(0) if at == 0 => return Piece::Bare,
                Found::Good(0) | Found::Bare(0) => break,
                Found::Good(count) | Found::Bare(count) => {
                    let dot_follows = rest.get(count) == Some(&b'.');
                    if self.encoded.is_empty() && (count >= ENCODED || !dot_follows) {
                        return Piece::AsTheyAre(count);
                    }
                    self.encoded.extend_from_slice(rest.get(..count).unwrap_or_default());
                    at += count;
                }
                Found::Dot => {
                    self.lines.pass_dot();
                    self.encoded.extend_from_slice(b"..");
                    at += 1;
                }
                // It passes with its LF.
                Found::Parted => at += 1,
            }
        }
        if at == 0 { Piece::Undecided } else { Piece::Encoded(at) }
    }
}
