//! Runs `report`, and reads what it says.

#![allow(dead_code, unused_imports, reason = "each test file takes what it needs")]

pub(crate) use super::common::tool::figure;
use super::common::tool::tool;

/// Output and exit status of `report` over this log.
pub(crate) fn report(words: &[&str], log: &[u8]) -> (String, i32) {
    tool(&[&["report"], words].concat(), log)
}

/// The entries of a list.
pub(crate) fn entries(list: &str) -> Vec<&str> {
    list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}
