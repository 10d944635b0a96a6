//! What there is to know of a native line beside its fields.

use std::net::IpAddr;

use memchr::{memchr, memrchr};

use crate::log::fields::START;

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
