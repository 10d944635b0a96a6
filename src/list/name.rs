//! Host names and domains: the form in which they are compared, and what they match.
//!
//! Letters count without case, a final dot does not count. A name with letters
//! beyond ASCII is its form in ASCII (`xn--…`, IDNA), which is what DNS and HELO have.

use std::borrow::Cow;

/// The host name, perhaps with a dot in front, if it is meant for one: only one of the
/// highest level is all digits, and a name without a dot is more likely a mistake.
///
/// # Errors
/// Says why it is none after all.
pub(super) fn host_name(text: &'static str) -> Option<Result<&'static str, &'static str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let (mut dots, mut other, mut odd) = (false, false, false);
    // One look at each octet: there are thousands in a list.
    for octet in name.bytes() {
        match octet {
            b'.' => (dots, other) = (true, false),
            b'0'..=b'9' => {}
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => other = true,
            b'@' | b'/' | b':' => return None,
            _ => (other, odd) = (true, true),
        }
    }
    (dots && other).then(|| if odd { host(name) } else { Ok(name) })
}

/// A host name or address literal, perhaps with a dot in front.
///
/// # Errors
/// Says why it is none.
pub(super) fn host(text: &'static str) -> Result<&'static str, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let literal = name.starts_with('[') && name.ends_with(']');
    let sound =
        |b: u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | 0x80..);
    match name.strip_prefix('.').unwrap_or(name) {
        "" => Err("lacks a name"),
        _ if literal => Ok(name),
        _ if name.bytes().all(sound) => ascii(name),
        _ => Err("is no host name"),
    }
}

/// A domain as DNS has it.
///
/// # Errors
/// It has no such form.
pub(super) fn ascii(name: &'static str) -> Result<&'static str, &'static str> {
    match to_ascii(name) {
        Some(Cow::Borrowed(name)) => Ok(name),
        Some(Cow::Owned(name)) => Ok(name.leak()),
        None => Err("is no host name by the rules for international ones (IDNA)"),
    }
}

/// A domain as DNS has it, perhaps with a dot in front; `None` if it has no such form.
pub(super) fn to_ascii(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() {
        return Some(Cow::Borrowed(name));
    }
    let (dot, domain) = match name.strip_prefix('.') {
        Some(domain) => (".", domain),
        None => ("", name),
    };
    idna::domain_to_ascii(domain).ok().map(|ascii| Cow::Owned(format!("{dot}{ascii}")))
}

/// A name as it is compared: without dots behind it, and as DNS has it.
pub(super) fn plain(name: &[u8]) -> Cow<'_, [u8]> {
    let dots = name.iter().rev().take_while(|&&b| b == b'.').count();
    let name = name.get(..name.len() - dots).unwrap_or_default();
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    match std::str::from_utf8(name).ok().and_then(to_ascii) {
        Some(ascii) => Cow::Owned(ascii.into_owned().into_bytes()),
        None => Cow::Borrowed(name),
    }
}

/// Is this the host, or, with a dot in front of the pattern, in the domain?
pub(super) fn is_host(pattern: &str, name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    match pattern.strip_prefix('.') {
        None => name.eq_ignore_ascii_case(pattern.as_bytes()),
        Some(domain) => {
            let tail = name.len().checked_sub(pattern.len()).and_then(|at| name.get(at..));
            name.eq_ignore_ascii_case(domain.as_bytes())
                || tail.is_some_and(|tail| tail.eq_ignore_ascii_case(pattern.as_bytes()))
        }
    }
}
