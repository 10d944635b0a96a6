//! Dates as lists bear them, `2026-11-24`, and the days that logs are counted by.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days in 400 years of the Gregorian calendar, and before 1970-01-01 in it.
const ERA: i64 = 146_097;
const BEFORE_1970: i64 = 719_468;

/// The day of a date, counted from 1970-01-01; `None` if it is none.
#[must_use]
pub(crate) fn day(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    day_of(parts.next()??, parts.next()??, parts.next()??)
}

/// The day of year, month and day.
#[must_use]
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = year % 400;
    let days = (153 * month + 2) / 5 + day - 1;
    Some(year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + days - BEFORE_1970)
}

/// Year, month and day of a day after 1970-01-01.
#[must_use]
pub(crate) fn parts(day: i64) -> (i64, i64, i64) {
    let days = day + BEFORE_1970;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    // The leap days before it, so that all years have 365.
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    match month {
        ..=9 => (era * 400 + year, month + 3, day),
        _ => (era * 400 + year + 1, month - 9, day),
    }
}

/// A day as lists bear it.
#[must_use]
pub(crate) fn written(of: i64) -> String {
    let (year, month, day) = parts(of);
    format!("{year:04}-{month:02}-{day:02}")
}

/// How many days old a date is; `None` if it is none, or is yet to come.
#[must_use]
pub(crate) fn age(date: &str, now: SystemTime) -> Option<u64> {
    let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / 86_400;
    let day = u64::try_from(day(date)?).ok()?;
    today.checked_sub(day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_counted() {
        for (date, days) in [
            ("1970-01-01", Some(0)),
            ("1970-03-01", Some(59)),
            ("2000-02-29", Some(11_016)),
            ("2000-03-01", Some(11_017)),
            ("2026-11-25", Some(20_782)),
            ("2026-13-01", None),
            ("yesterday", None),
        ] {
            assert_eq!(day(date), days, "{date}");
        }
        for of in (0..200_000).step_by(13).chain(11_000..11_100) {
            assert_eq!(day(&written(of)), Some(of));
        }
        let now = UNIX_EPOCH + Duration::from_secs(20_782 * 86_400 + 5);
        assert_eq!(age("2026-11-24", now), Some(1));
        assert_eq!(age("2026-11-26", now), None);
    }
}
