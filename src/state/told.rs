//! What the log has been told once, so that it is not told in each session: the
//! edition of the configuration that it was told of, as the name of an empty file.
//!
//! Rejected: the edition in a file. To open and read that is four system calls in each
//! session that asks; to look whether there is a file is one.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, Mode, OFlags, access, open};
use rustix::io::Errno;

/// What the names begin with.
const UNGUARDED: &str = "unguarded.";

/// Editions that are remembered: two configurations may share a directory, and are not
/// to make each other forgotten.
const MOST: usize = 16;

/// Has this edition been told of?
pub fn knows(directory: &Path, edition: u64) -> bool {
    access(directory.join(name(edition)), Access::EXISTS).is_ok()
}

fn name(edition: u64) -> String {
    format!("{UNGUARDED}{edition:016x}")
}

/// Has this edition not been told of? It is, from now on.
///
/// # Errors
/// The state directory's.
pub fn first_of(directory: &Path, edition: u64) -> io::Result<bool> {
    let name = name(edition);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    match open(directory.join(&name), flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) => {
            forget_others(directory, &name);
            Ok(true)
        }
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Forgets all other editions, if there are too many.
fn forget_others(directory: &Path, name: &str) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let of_others = entries.filter(|entry| {
        let other = entry.file_name();
        other.to_str().is_some_and(|other| other.starts_with(UNGUARDED) && other != name)
    });
    let others: Vec<_> = of_others.collect();
    if others.len() >= MOST {
        others.iter().for_each(|entry| drop(fs::remove_file(entry.path())));
    }
}
