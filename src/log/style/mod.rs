//! The other styles of the log: each line is made of the finished one ([`super::line`]),
//! so that a style can say nothing that is not in it, and a session whose log has none
//! pays one branch.
//!
//! What came from outside stands in the finished line without a space, a bracket or
//! anything that is not printable. The styles of text keep it so; only in the text of
//! replies and reasons are spaces put back, but for those that would let it
//! pass for the beginning of a line.

mod json;
mod original;
mod postfix;

use super::IDENT;
use super::fields::{Fields, from_outside};
use crate::config::Style;

/// The syslog ident.
#[must_use]
pub(super) const fn ident(style: Style) -> &'static str {
    match style {
        Style::Native | Style::Json => IDENT,
        Style::Postfix => "postfix/smtpd",
        Style::Original => "smtp_wrapper",
    }
}

/// The lines that a finished line becomes; `again`: it is about one more recipient of the
/// message that the line before was about. What is no finished line stays as it is.
#[must_use]
pub fn render(style: Style, line: &[u8], again: bool) -> Vec<Vec<u8>> {
    let fields = Fields::of(line);
    match (style, &fields) {
        (Style::Native, _) | (_, None) => vec![line.to_vec()],
        (Style::Json, Some(fields)) => vec![json::render(fields)],
        (Style::Postfix, Some(fields)) => postfix::render(fields, again),
        (Style::Original, Some(fields)) => original::render(fields),
    }
}

/// Is this the word that the line has for this key?
fn says(fields: &Fields<'_>, key: &str, word: &str) -> bool {
    fields.get(key.as_bytes()) == Some(word.as_bytes())
}

/// A line that is put together from words of ours and values.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    /// Words of ours.
    fn say(mut self, words: &str) -> Self {
        self.0.extend_from_slice(words.as_bytes());
        self
    }

    /// A value as it is written, with its brackets if it is from outside; `-` if there is
    /// none.
    fn value(mut self, value: Option<&[u8]>) -> Self {
        self.0.extend_from_slice(value.unwrap_or(b"-"));
        self
    }

    /// A value as [`Words::value`], behind its key, if there is one.
    fn keyed(self, key: &str, value: Option<&[u8]>) -> Self {
        match value {
            Some(_) => self.say(key).value(value),
            None => self,
        }
    }

    /// A text from outside, to be read by people.
    fn text(mut self, value: Option<&[u8]>) -> Self {
        text(value.and_then(from_outside).unwrap_or_default(), &mut self.0);
        self
    }

    fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Words behind which readers of logs find who or what was refused, wherever they stand in
/// a line.
const MARKS: [&[u8]; 6] =
    [b"]:", b"reject:", b"reject_warning:", b"hold:", b"discard:", b"rejected"];

/// Puts the spaces back into a text from outside, but for those behind a mark, and that at
/// its beginning.
fn text(written: &[u8], out: &mut Vec<u8>) {
    const SPACE: &[u8] = b"\\x20";
    let (mut rest, mut first) = (written, true);
    while let Some((octet, after)) = rest.split_first() {
        match rest.strip_prefix(SPACE) {
            Some(after) if !first && !MARKS.iter().any(|mark| out.ends_with(mark)) => {
                out.push(b' ');
                rest = after;
            }
            // The octets of an escape are no escape of their own.
            _ if *octet == b'\\' => {
                let (escape, after) = rest.split_at_checked(SPACE.len()).unwrap_or((rest, b""));
                out.extend_from_slice(escape);
                rest = after;
            }
            _ => {
                out.push(*octet);
                rest = after;
            }
        }
        first = false;
    }
}

#[cfg(test)]
mod tests;
