//! How figures and texts from outside are shown, the same in every form of the report.

use crate::dates;

/// A number in groups of three digits.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

/// A part of something, in per cent.
#[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
pub(super) fn percent(part: u64, of: u64) -> String {
    match of {
        0 => "-".to_owned(),
        of => format!("{:.1} %", part as f64 * 100.0 / of as f64),
    }
}

/// Octets in a unit for people.
#[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
pub(super) fn size(octets: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut size = octets as f64;
    let mut unit = "octets";
    for next in units {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, next);
    }
    if unit == "octets" { format!("{octets} octets") } else { format!("{size:.1} {unit}") }
}

/// A time in the largest unit that it has two of.
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (u64::from(seconds) + 43_200) / 86_400),
    }
}

/// A day, counted from 1970-01-01.
pub(super) fn day(day: u32) -> String {
    dates::written(day.into())
}

/// The day of a time.
pub(super) fn date(seconds: u32) -> String {
    day(seconds / 86_400)
}

/// A text from a log. Our lines are printable; whoever forged one may have thought of
/// another.
pub(super) fn text(octets: &[u8]) -> String {
    let shown = |b: &u8| if matches!(b, b' '..=b'~') { char::from(*b) } else { '?' };
    octets.iter().map(shown).collect()
}

/// One or several.
pub(super) fn count(number: impl Into<u64>, one: &str, several: &str) -> String {
    let many: u64 = number.into();
    format!("{} {}", self::number(many), if many == 1 { one } else { several })
}
