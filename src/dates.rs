//! Dates as lists bear them: `2026-11-24`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days in 400 years of the Gregorian calendar, and before 1970-01-01 in it.
const ERA: i64 = 146_097;
const BEFORE_1970: i64 = 719_468;

/// The day of a date, counted from 1970-01-01; `None` if it is none.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = year % 400;
    let days = (153 * month + 2) / 5 + day - 1;
    Some(year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + days - BEFORE_1970)
}

/// How many days old a date is; `None` if it is none, or is yet to come.
#[must_use]
pub(crate) fn age(date: &str, now: SystemTime) -> Option<u64> {
    let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / 86_400;
    let day = u64::try_from(day(date)?).ok()?;
    today.checked_sub(day)
}

/// How many days it is until a date; below 0 if it is past, and `None` if it is none.
#[must_use]
pub(crate) fn until(date: &str, now: SystemTime) -> Option<i64> {
    let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / 86_400;
    Some(day(date)? - i64::try_from(today).ok()?)
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
        let now = UNIX_EPOCH + Duration::from_secs(20_782 * 86_400 + 5);
        assert_eq!(age("2026-11-24", now), Some(1));
        assert_eq!(age("2026-11-26", now), None);
        assert_eq!(until("2026-12-01", now), Some(6));
        assert_eq!(until("2026-11-24", now), Some(-1));
    }
}
