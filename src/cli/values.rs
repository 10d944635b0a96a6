//! The values of options: numbers, times, words and programs.

use std::time::Duration;

use crate::config;
use crate::host::Iprev;

/// Results of looking up a client's host names.
pub(super) const IPREV: &[(&str, Iprev)] = &[
    ("pass", Iprev::Pass),
    ("fail", Iprev::Fail),
    ("permerror", Iprev::PermError),
    ("temperror", Iprev::TempError),
];

pub(super) fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| "not a number in range".to_owned())
}

/// Seconds, with or without decimals, at most a day.
pub(super) fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = number(value)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= config::time::LONGEST => Ok(time),
        _ => Err("must be 0 to 86400 seconds".to_owned()),
    }
}

pub(super) fn positive(value: &str) -> Result<Duration, String> {
    match seconds(value) {
        Ok(time) if time > Duration::ZERO => Ok(time),
        _ => Err("must be above 0 and at most 86400 seconds".to_owned()),
    }
}

/// One of these words.
pub(super) fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == value);
    let wrong = || none_of(&mut words.iter().map(|(word, _)| *word));
    found.map(|(_, meaning)| *meaning).ok_or_else(wrong)
}

#[cold]
fn none_of(words: &mut dyn Iterator<Item = &str>) -> String {
    format!("must be {}", words.collect::<Vec<_>>().join(" or "))
}

pub(super) fn program(value: &'static str) -> Result<&'static str, String> {
    match value.starts_with('/') && !value.contains('\0') {
        true => Ok(value),
        false => Err("must be a path that begins with a slash".to_owned()),
    }
}
