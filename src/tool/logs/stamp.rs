//! The time that a syslogd writes before a line: `Nov  1 00:00:00` (RFC 3164) or
//! `2026-11-01T00:00:00.123+01:00` (RFC 5424, RFC 3339).

use std::time::{SystemTime, UNIX_EPOCH};

use super::prefix::behind_priority;
use crate::dates;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAY: i64 = 86_400;

/// Knows the year, which the older form leaves out: no line is younger than its file.
pub(super) struct Clock {
    year: i64,
    /// The day when the file was written, and one for clocks and zones.
    latest: i64,
}

impl Clock {
    pub(super) fn new(written: SystemTime) -> Clock {
        let since = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let day = i64::try_from(since).unwrap_or(0) / DAY;
        Clock { year: dates::parts(day).0, latest: day + 1 }
    }

    /// The time at the start of a line, in microseconds since 1970.
    pub(super) fn stamp(&self, line: &[u8]) -> Option<u64> {
        let line = behind_priority(line);
        match line.first()? {
            b'A'..=b'Z' => self.short(line),
            b'0'..=b'9' => long(line),
            _ => None,
        }
    }

    fn short(&self, line: &[u8]) -> Option<u64> {
        let month = MONTHS.iter().position(|name| line.starts_with(*name))?;
        let month = i64::try_from(month).ok()? + 1;
        let (day, rest) = number(line.get(3..)?.trim_ascii_start())?;
        let seconds = clock(rest.strip_prefix(b" ")?)?.0;
        // The 29th of February may be there in one of the years only.
        let this = dates::day_of(self.year, month, day).filter(|this| *this <= self.latest);
        let day = this.or_else(|| dates::day_of(self.year - 1, month, day))?;
        u64::try_from(day * DAY + seconds).ok().map(|seconds| seconds * 1_000_000)
    }
}

fn long(line: &[u8]) -> Option<u64> {
    let (year, rest) = number(line)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?)?;
    let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b" "))?;
    let (seconds, rest) = clock(rest)?;
    let (micros, rest) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (digits, rest) = rest.split_at(digits);
            let digit = |n: usize| digits.get(n).map_or(0, |b| u64::from(b - b'0'));
            ((0..6).fold(0, |sum, n| sum * 10 + digit(n)), rest)
        }
        None => (0, rest),
    };
    let ahead = match rest.first() {
        Some(sign @ (b'+' | b'-')) => {
            let hours = number(rest.get(1..3)?)?.0;
            let behind = rest.get(3..)?;
            let minutes = number(behind.strip_prefix(b":").unwrap_or(behind).get(..2)?)?;
            let ahead = hours * 3600 + minutes.0 * 60;
            if *sign == b'+' { ahead } else { -ahead }
        }
        _ => 0,
    };
    let seconds = dates::day_of(year, month, day)? * DAY + seconds - ahead;
    Some(u64::try_from(seconds).ok()? * 1_000_000 + micros)
}

/// `10:20:30` in seconds.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = number(text)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?)?;
    let (second, rest) = number(rest.strip_prefix(b":")?)?;
    let sound = hour < 24 && minute < 60 && second < 61;
    sound.then_some((hour * 3600 + minute * 60 + second, rest))
}

/// A number of one to four digits.
fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take(5).take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    Some((digits.iter().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')), rest))
}
