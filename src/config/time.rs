//! Times as a person writes them.

use std::time::Duration;

/// The longest time that makes sense anywhere here.
pub const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads `500ms`, `5s`, `2m`, `1h` or `5` (seconds); decimals are allowed.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let count: f64 = plain.then(|| digits.parse().ok())??;
    Duration::try_from_secs_f64(count * unit).ok()
}
