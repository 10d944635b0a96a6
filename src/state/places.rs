//! Places in the tarpit: one octet of a file each, locked by whoever has it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::sys;

/// A place, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Place {
    _file: OwnedFd,
}

/// Takes one of so many places; `None` when all are taken. One at a time: a
/// process that takes a second one loses the first.
///
/// # Errors
/// The state directory's.
pub fn take(directory: &Path, most: u32) -> io::Result<Option<Place>> {
    let file = super::file(directory, "tarpit")?;
    // Sessions begin to look at different places, so that most find one at once.
    let first = std::process::id();
    for n in 0..most {
        let at = u64::from(first.wrapping_add(n) % most);
        if sys::lock(file.as_fd(), at, 1)? {
            return Ok(Some(Place { _file: file }));
        }
    }
    Ok(None)
}
