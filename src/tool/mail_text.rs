//! A message as `try` shows it: every line has a mark in front, so that no
//! message can pass for what the program itself says, and nothing in it can
//! move the cursor, colour the screen, ring, or reorder what is read.

use std::fmt::Write as _;

/// Of a message at most this is kept and shown.
const SHOWN: usize = 64 * 1024;
/// Recipients shown of one message.
const RECIPIENTS_SHOWN: usize = 20;
/// Columns of the frame.
const WIDTH: usize = 78;

/// The beginning of a message, and the size of the whole.
#[derive(Default)]
pub(super) struct Collected {
    kept: Vec<u8>,
    octets: u64,
}

impl Collected {
    /// Adds an octet, to the count at least.
    pub(super) fn push(&mut self, octet: u8) {
        self.octets += 1;
        if self.kept.len() < SHOWN {
            self.kept.push(octet);
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }
}

/// A message, ready for the terminal.
pub(super) fn show(number: usize, from: &str, to: &[String], message: &Collected) -> String {
    let mut out = String::from("\n");
    rule(&format!("message {number}"), &mut out);
    labelled("from", from, &mut out);
    for to in to.iter().take(RECIPIENTS_SHOWN) {
        labelled("to", to, &mut out);
    }
    if to.len() > RECIPIENTS_SHOWN {
        let _ = writeln!(out, "        and {} more recipients", to.len() - RECIPIENTS_SHOWN);
    }
    let mut rest = message.kept.as_slice();
    while !rest.is_empty() {
        // Only CRLF ends a line; a bare CR or LF is shown as what it is.
        let end = rest.windows(2).position(|w| w == b"\r\n");
        let (line, tail) = rest.split_at(end.unwrap_or(rest.len()));
        rest = tail.get(2..).unwrap_or_default();
        out.push_str("| ");
        visible(line, &mut out);
        out.push('\n');
    }
    let size = match message.octets {
        1 => "1 octet".to_owned(),
        n if n > SHOWN as u64 => format!("{n} octets, the first {SHOWN} shown"),
        n => format!("{n} octets"),
    };
    rule(&format!("end of message {number}, {size}"), &mut out);
    out
}

fn rule(title: &str, out: &mut String) {
    let dashes = WIDTH.saturating_sub(title.len() + 4);
    let _ = writeln!(out, "-- {title} {}", "-".repeat(dashes));
}

fn labelled(label: &str, text: &str, out: &mut String) {
    let _ = write!(out, "  {label:<4}  ");
    visible(text.as_bytes(), out);
    out.push('\n');
}

/// Writes text so that a terminal only prints it.
pub(super) fn visible(text: &[u8], out: &mut String) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push('\t'),
                _ if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
                _ if c.is_control() || steers(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
                _ => out.push(c),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "\\x{octet:02x}");
        }
    }
}

/// Characters that are not controls to Unicode and yet change how others are
/// read: direction, line breaks, nothing at all, tags.
fn steers(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_steers_the_terminal() {
        for (text, shown) in [
            (&b"plain \t text"[..], "plain \t text"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"a\rb\nc\x00\x7f", "a\\x0db\\x0ac\\x00\\x7f"),
            (b"\xff\xc3", "\\xff\\xc3"),
            (b"\x9b31m", "\\x9b31m"),               // CSI as a single octet
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"), // and in UTF-8
            ("\u{202e}txt".as_bytes(), "\\u{202e}txt"),
            ("grün 日本".as_bytes(), "grün 日本"),
        ] {
            let mut out = String::new();
            visible(text, &mut out);
            assert_eq!(out, shown);
        }
    }

    #[test]
    fn a_large_message_is_cut_and_its_size_told() {
        let mut message = Collected::default();
        (0..1_000_000).for_each(|_| message.push(b'x'));
        let shown = show(1, "<>", &vec!["<a@b>".to_owned(); 25], &message);
        assert!(shown.len() < SHOWN + 1500, "{}", shown.len());
        assert!(shown.contains("1000000 octets, the first 65536 shown"));
        assert!(shown.contains("and 5 more recipients"));
    }
}
