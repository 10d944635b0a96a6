//! Dates as lists bear them, `2026-11-24`; the days that logs are counted by; times as a trace
//! ends, `2026-11-24T18:30Z`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > length {
        return None;
    }
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = year % 400;
    let days = (153 * month + 2) / 5 + day - 1;
    Some(year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + days - BEFORE_1970)
}

/// The time that is written so (RFC 3339, in UTC, perhaps without seconds); `None` if it
/// is none.
#[must_use]
pub(crate) fn instant(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let two = |part: &str, below: u64| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok())?.filter(|number| *number < below)
    };
    let mut parts = time.splitn(3, ':');
    let (hours, minutes) = (two(parts.next()?, 24)?, two(parts.next()?, 60)?);
    let seconds = parts.next().map_or(Some(0), |part| two(part, 60))?;
    let days = u64::try_from(day(date)?).ok()?;
    let seconds = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
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

/// How many days it is until a date; below 0 if it is past, and `None` if it is none.
#[must_use]
pub(crate) fn until(date: &str, now: SystemTime) -> Option<i64> {
    let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / 86_400;
    Some(day(date)? - i64::try_from(today).ok()?)
}

#[cfg(test)]
mod tests {
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
        for (time, seconds) in [
            ("1970-01-01T00:00Z", Some(0)),
            ("2026-11-25T23:51:03Z", Some(1_795_650_663)),
            ("2026-11-25T23:51Z", Some(1_795_650_660)),
            ("2026-11-25T24:00Z", None),
            ("2026-11-25T23:51", None),
            ("2026-11-25 23:51Z", None),
            ("2026-02-29T00:00Z", None),
            ("2028-02-29T00:00Z", Some(1_835_395_200)),
            ("2026-11-25T+1:51Z", None),
            ("2026-11-25T23:51:00:00Z", None),
        ] {
            let expected = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(instant(time), expected, "{time}");
        }
        for of in (0..200_000).step_by(13).chain(11_000..11_100) {
            assert_eq!(day(&written(of)), Some(of));
        }
        let now = UNIX_EPOCH + Duration::from_secs(20_782 * 86_400 + 5);
        assert_eq!(age("2026-11-24", now), Some(1));
        assert_eq!(age("2026-11-26", now), None);
        assert_eq!(until("2026-12-01", now), Some(6));
        assert_eq!(until("2026-11-24", now), Some(-1));
    }
}
