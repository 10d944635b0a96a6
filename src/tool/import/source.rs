//! The files that are imported, line by line.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};

use anyhow::anyhow;

use super::made::Made;

/// A larger file is none of these, in MiB.
const MOST: u64 = 256;

/// A line that says something.
pub(super) struct Line {
    /// `file:line`.
    pub(super) place: String,
    /// Without white space around it, but for one space in front if there was some.
    pub(super) text: String,
}

/// Reads a file, or what comes of a pipe.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let most = MOST * 1024 * 1024;
    if File::open(path)?.take(most + 1).read_to_end(&mut octets)? as u64 > most {
        return Err(io::Error::other(format!("it is larger than {MOST} MiB")));
    }
    Ok(octets)
}

/// The lines of a file, but for empty ones and comments.
///
/// # Errors
/// It cannot be read.
pub(super) fn lines(path: &str, made: &mut Made) -> anyhow::Result<Vec<Line>> {
    let octets = read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => anyhow!("{path}: there is no such file"),
        _ => anyhow!("{path}: cannot be read: {error}"),
    })?;
    let octets = octets.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&octets);
    let mut lines = Vec::new();
    for (n, line) in octets.split(|&b| b == b'\n').enumerate() {
        let plain = line.trim_ascii();
        if matches!(plain, [] | [b'#', ..]) {
            continue;
        }
        let place = format!("{path}:{}", n + 1);
        match std::str::from_utf8(plain) {
            Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => {
                let indented = matches!(line, [b' ' | b'\t', ..]);
                let text = format!("{}{text}", if indented { " " } else { "" });
                lines.push(Line { place, text });
            }
            Ok(_) => made.leave(&place, "holds a control character: take it out"),
            Err(_) => made.leave(&place, "is not UTF-8: write it anew"),
        }
    }
    Ok(lines)
}

/// The same where a line that begins with a space goes on the one before.
///
/// # Errors
/// It cannot be read.
pub(super) fn whole_lines(path: &str, made: &mut Made) -> anyhow::Result<Vec<Line>> {
    let mut whole: Vec<Line> = Vec::new();
    for line in lines(path, made)? {
        match whole.last_mut() {
            Some(before) if line.text.starts_with(' ') => before.text.push_str(&line.text),
            _ => whole.push(Line { text: line.text.trim_start().to_owned(), ..line }),
        }
    }
    Ok(whole)
}
