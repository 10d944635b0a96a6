//! What there is to know of a native line beside its fields.

use std::net::IpAddr;

use memchr::{memchr, memrchr};

use crate::log::fields::START;

/// Longest that stands before a line: the time, the host, the program.
const PREFIX: usize = 160;

/// Can this stand before a line of ours? Nothing, a time, or what a syslogd puts there.
/// Other programs log what strangers say, and a stranger may say such a line; what is in
/// front of it then is a message, not a prefix.
pub(super) fn may_stand_behind(prefix: &[u8]) -> bool {
    if prefix.is_empty() {
        return true;
    }
    if prefix.len() > PREFIX {
        return false;
    }
    let Some(head) = prefix.strip_suffix(b": ") else {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b" \t@:.+-_|,/".contains(b);
        return prefix.iter().all(plain) && !prefix.windows(2).any(|two| two == b": ");
    };
    let word = head.iter().rposition(|&b| b == b' ' || b == b'>').map_or(0, |at| at + 1);
    let (before, word) = head.split_at(word);
    let name = word.split(|&b| b == b'[').next().unwrap_or_default();
    name == b"smtp-wrapper" && !before.windows(2).any(|two| two == b": ")
}

/// Fields behind the time of a line, at most.
const BEHIND_TIME: usize = 4;

/// When a line was written: the start of its session, which is its name, and the time
/// since, which is the last field or nearly.
#[inline]
pub(super) fn time(line: &[u8]) -> Option<u64> {
    let sid = line.get(START.len()..)?;
    let start = micros(sid.get(..memchr(b' ', sid)?)?)?;
    let mut rest = line;
    for _ in 0..BEHIND_TIME {
        let (before, field) = rest.split_at(memrchr(b' ', rest)?);
        if let Some(since) = field.strip_prefix(b" t=") {
            return start.checked_add(seconds(since));
        }
        rest = before;
    }
    Some(start)
}

/// The start of a session by its name.
fn micros(sid: &[u8]) -> Option<u64> {
    let mut micros = 0_u64;
    for (n, octet) in sid.iter().enumerate() {
        let digit = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'f' => octet - b'a' + 10,
            b'.' if n > 0 => return Some(micros),
            _ => return None,
        };
        if n > 14 {
            return None;
        }
        micros = micros << 4 | u64::from(digit);
    }
    None
}

/// `12.345` in microseconds; what is no such number is 0.
fn seconds(value: &[u8]) -> u64 {
    let (mut total, mut scale) = (0_u64, 0_u64);
    for octet in value.iter().take(16) {
        match octet {
            b'.' if scale == 0 => scale = 1_000_000,
            b'0'..=b'9' if scale == 0 => total = total * 10 + u64::from(octet - b'0'),
            b'0'..=b'9' if scale > 1 => {
                scale /= 10;
                total = total * 10 + u64::from(octet - b'0');
            }
            _ => return 0,
        }
    }
    total.saturating_mul(if scale == 0 { 1_000_000 } else { scale })
}

/// The client's address, `[192.0.2.1]`.
#[inline]
pub(crate) fn ip(value: &[u8]) -> Option<IpAddr> {
    let inside = value.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let ip: IpAddr = std::str::from_utf8(inside).ok()?.parse().ok()?;
    Some(ip.to_canonical())
}
