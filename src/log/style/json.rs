//! JSON: one object a line, with the keys of the finished line in their order.
//!
//! Numbers are numbers, `-` is null, all else is a string. Text from outside is decoded:
//! printable ASCII is as it came, every other octet is the character of that number
//! (U+0080 to U+00FF are octets, whatever the sender's character set was).

use crate::log::fields::{Fields, decode, from_outside};

/// Keys whose values are numbers, if they have one.
const NUMBERS: [&[u8]; 9] =
    [b"v", b"code", b"port", b"messages", b"octets", b"refused", b"t", b"cpu", b"mem"];

/// The object.
pub(super) fn render(fields: &Fields<'_>) -> Vec<u8> {
    let mut out = b"{".to_vec();
    let mut octets = Vec::new();
    for (n, (key, value)) in fields.clone().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        string(key, &mut out);
        out.push(b':');
        if let Some(written) = from_outside(value) {
            octets.clear();
            decode(written, &mut octets);
            string(&octets, &mut out);
            continue;
        }
        // An address stands in brackets of its own.
        let value = value.strip_prefix(b"[").and_then(|v| v.strip_suffix(b"]")).unwrap_or(value);
        match (value, NUMBERS.contains(&key).then(|| number(value)).flatten()) {
            (b"-", _) => out.extend_from_slice(b"null"),
            (_, Some(number)) => out.extend_from_slice(number),
            (value, None) => string(value, &mut out),
        }
    }
    out.push(b'}');
    out
}

/// The number that a value is, without its unit.
fn number(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|b| !b.is_ascii_digit() && *b != b'.');
    let (number, unit) = value.split_at_checked(end.unwrap_or(value.len()))?;
    let mut parts = number.split(|b| *b == b'.');
    let whole = parts.next()?;
    let sound = !whole.is_empty() && (whole.len() == 1 || !whole.starts_with(b"0"));
    let fraction = parts.next().is_none_or(|part| !part.is_empty());
    let unit = matches!(unit, b"" | b"ms" | b"KiB");
    (sound && fraction && unit && parts.next().is_none()).then_some(number)
}

fn string(octets: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    out.push(b'"');
    for octet in octets {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *octet]),
            b' '..=b'~' => out.push(*octet),
            odd => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(odd >> 4), digit(*odd)]),
        }
    }
    out.push(b'"');
}
