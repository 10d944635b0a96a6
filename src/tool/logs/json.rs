//! Objects of JSON in one line: those that we write, and the journal's
//! (`journalctl -o json`).

use super::export::as_line;
use crate::log::line::Line;

/// How a line of ours begins.
pub(super) const START: &[u8] = b"{\"v\":";

/// Keys whose values come from outside.
const OUTSIDE: [&str; 8] = ["helo", "from", "to", "reply", "allow", "why", "ptr", "upstream"];

/// A value as it is written.
enum Value<'a> {
    Text(&'a [u8]),
    /// A number, `null`, `true` or `false`.
    Bare(&'a [u8]),
    Nested,
}

/// The members of an object, as far as they can be read.
struct Members<'a> {
    rest: &'a [u8],
    /// The end of the object was there.
    whole: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = text(skip(self.rest))?;
        let rest = skip(skip(rest).strip_prefix(b":")?);
        let (value, rest) = match rest.first()? {
            b'"' => {
                let (value, rest) = text(rest)?;
                (Value::Text(value), rest)
            }
            b'[' | b'{' => (Value::Nested, nested(rest)?),
            _ => {
                let end = memchr::memchr2(b',', b'}', rest).unwrap_or(rest.len());
                let (value, rest) = rest.split_at(end);
                (Value::Bare(value.trim_ascii()), rest)
            }
        };
        let rest = skip(rest);
        self.whole = rest.first() == Some(&b'}');
        self.rest = rest.strip_prefix(b",").unwrap_or_default();
        Some((key, value))
    }
}

fn members(object: &[u8]) -> Members<'_> {
    let rest = object.trim_ascii().strip_prefix(b"{").unwrap_or_default();
    Members { rest, whole: false }
}

fn skip(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// A string as it stands between its quotes, and what is behind.
fn text(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = from.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inside.get(at..)?)?;
        match inside.get(at)? {
            b'"' => return Some((inside.get(..at)?, inside.get(at + 1..)?)),
            _ => at += 2,
        }
    }
}

/// What is behind an array or object.
fn nested(from: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut depth) = (from, 0_usize);
    loop {
        rest = match rest.first()? {
            b'"' => text(rest)?.1,
            b'[' | b'{' => {
                depth += 1;
                rest.get(1..)?
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                rest.get(1..)?
            }
            _ => rest.get(1..)?,
        };
        if depth == 0 {
            return Some(rest);
        }
    }
}

/// The octets of a string. `octets`: a code point below 256 is one octet, as we write
/// them; else it is UTF-8, as the journal does.
fn decode(written: &[u8], octets: bool, out: &mut Vec<u8>) {
    let mut rest = written;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escape {
            [_, b'u', digits @ ..] if digits.len() >= 4 => {
                let (digits, after) = digits.split_at(4);
                let text = std::str::from_utf8(digits).ok();
                let code = text.and_then(|text| u32::from_str_radix(text, 16).ok());
                match code.map(|code| (u8::try_from(code), char::from_u32(code))) {
                    Some((Ok(octet), _)) if octets => out.push(octet),
                    Some((_, Some(char))) => out.extend(char.encode_utf8(&mut [0; 4]).bytes()),
                    _ => out.push(b'?'),
                }
                after
            }
            [_, simple, after @ ..] => {
                out.push(match simple {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                after
            }
            cut => {
                out.extend_from_slice(cut);
                b""
            }
        };
    }
    out.extend_from_slice(rest);
}

/// Writes a line of ours anew as the native one. What it is cut in is left away.
pub(super) fn rewrite(object: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut line = Line::without_session();
    let mut octets = Vec::new();
    out.extend_from_slice(b"v=1");
    let (mut members, mut last) = (members(object), 0);
    for (key, value) in members.by_ref() {
        last = out.len();
        let key = std::str::from_utf8(key).ok().filter(|key| is_word(key.as_bytes()))?;
        if key == "v" {
            match value {
                Value::Bare(b"1") | Value::Text(b"1") => continue,
                _ => return None,
            }
        }
        out.push(b' ');
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        match value {
            Value::Bare(b"null") | Value::Nested => out.push(b'-'),
            Value::Text(value) if OUTSIDE.contains(&key) => {
                octets.clear();
                decode(value, true, &mut octets);
                let written = line.begin().as_bytes().len();
                line.outside("", &octets);
                out.extend_from_slice(line.as_bytes().get(written..)?);
            }
            Value::Text(value) if key == "ip" && value.first() != Some(&b'[') => {
                out.push(b'[');
                out.extend_from_slice(Some(value).filter(|value| is_word(value))?);
                out.push(b']');
            }
            Value::Text(value) | Value::Bare(value) => {
                out.extend_from_slice(Some(value).filter(|value| is_word(value))?);
            }
        }
    }
    if !members.whole {
        out.truncate(last);
    }
    Some(())
}

/// No value of ours has anything else in it, unless it is from outside.
fn is_word(value: &[u8]) -> bool {
    value.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'\\' | b'"'))
}

/// Takes what a process wrote out of an entry of the journal, as a line of a log; tells
/// when that was.
pub(super) fn of_journal(line: &[u8], out: &mut Vec<u8>) -> Option<Option<u64>> {
    if line.first() != Some(&b'{') || line.starts_with(START) {
        return None;
    }
    let [mut ident, mut pid, mut message] = [b"".as_slice(); 3];
    let mut time = None;
    for (key, value) in members(line) {
        match (key, value) {
            (b"SYSLOG_IDENTIFIER", Value::Text(value)) => ident = value,
            (b"_PID", Value::Text(value)) => pid = value,
            (b"MESSAGE", Value::Text(value)) => message = value,
            (b"__REALTIME_TIMESTAMP", Value::Text(value)) => {
                time = std::str::from_utf8(value).ok().and_then(|time| time.parse().ok());
            }
            _ => {}
        }
    }
    let mut text = Vec::with_capacity(message.len());
    decode(message, false, &mut text);
    as_line([ident, pid, &text], out);
    (!message.is_empty()).then_some(time)
}
