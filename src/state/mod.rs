//! What sessions share: files in the state directory, each of fixed size, that
//! any number of processes use at once and that a killed one leaves usable.
//!
//! What is remembered here never decides alone that mail is lost: a directory
//! that is missing, full or not ours is told in the log, and the session goes on
//! as if nothing were remembered. Locks are those of fcntl on octets of a file,
//! which the kernel takes back from a process that dies. A process that closes
//! any descriptor of such a file loses its locks, so each is opened once.

pub mod intervals;
pub mod places;
pub mod told;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use crate::sys;

/// Opens a file of the state directory, and makes it if it is not there.
pub(crate) fn file(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    sys::outlive_file_limit();
    let file = open(directory.join(name), flags, Mode::RUSR | Mode::WUSR)?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a file"))),
    }
}
