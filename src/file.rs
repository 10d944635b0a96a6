//! Files that sessions read, and the compiled forms that lie beside them: how one
//! is opened, which text a compiled form is of, and how it is put in place.
//!
//! A compiled form is never trusted: it must be of the text as it is now
//! ([`identity`]), belong to whom the text belongs to ([`trusted`]), and its
//! checksums must fit.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat};
use rustix::io::Errno;

/// Octets of the program's version in a compiled form.
pub(crate) const VERSION: usize = 16;

/// What of a file changes with its text.
pub(crate) type Identity = [u64; 7];

/// Opens a file to read; `None` if it is not there.
pub(crate) fn open(path: &Path) -> io::Result<Option<(OwnedFd, Stat)>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => {
            let stat = fstat(&file)?;
            // What a pipe has to say is not known before somebody writes to it: nothing would be read.
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Fifo => Err(io::Error::other("it is a pipe")),
                _ => Ok(Some((file, stat))),
            }
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a file is; `None` if it is not there.
pub(crate) fn stat(path: &Path) -> io::Result<Option<Stat>> {
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file to its end, if it is not larger than `most` MiB.
pub(crate) fn read_all(file: &OwnedFd, stat: &Stat, most: u64) -> io::Result<Vec<u8>> {
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > most * 1024 * 1024 {
        return Err(io::Error::other(format!("it is larger than {most} MiB")));
    }
    // What is there now; an octet more shows whether it grew.
    let mut octets = Vec::with_capacity(size as usize + 1);
    loop {
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut octets)) {
            Ok(_) if octets.len() as u64 == size => return Ok(octets),
            Ok(0) => return Ok(octets),
            Ok(_) if octets.len() as u64 > size => {
                return Err(io::Error::other("it is being written"));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where the compiled form of a file lies.
#[must_use]
pub(crate) fn compiled_path(text: &Path) -> PathBuf {
    let mut path = text.as_os_str().to_owned();
    path.push(".compiled");
    path.into()
}

/// What of this file changes with its text.
#[allow(clippy::unnecessary_cast)] // Their widths differ between systems.
pub(crate) fn identity(stat: &Stat) -> Identity {
    [
        stat.st_size as u64,
        stat.st_mtime as u64,
        stat.st_mtime_nsec as u64,
        stat.st_ctime as u64,
        stat.st_ctime_nsec as u64,
        stat.st_ino as u64,
        stat.st_dev as u64,
    ]
}

/// How a compiled form of this kind and of this text begins.
pub(crate) fn head(magic: &[u8; 8], stat: &Stat) -> Vec<u8> {
    let identity = identity(stat);
    let mut head = Vec::with_capacity(magic.len() + VERSION + 8 * identity.len());
    head.extend_from_slice(magic);
    head.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
    head.resize(magic.len() + VERSION, 0);
    identity.iter().for_each(|number| head.extend_from_slice(&number.to_le_bytes()));
    head
}

/// May only those write it who may write the text?
///
/// # Errors
/// Says that it is not so.
pub(crate) fn trusted(own: &Stat, text: &Stat) -> Result<(), &'static str> {
    const OTHERS: u32 = 0o022;
    let owner = own.st_uid == text.st_uid || own.st_uid == 0;
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    let writable = u32::from(own.st_mode) & !u32::from(text.st_mode) & OTHERS;
    match owner && writable == 0 {
        true => Ok(()),
        false => Err("could be written by others than the text"),
    }
}

/// Tells damage from none; it is no protection against who may write the file.
pub(crate) fn checksum(seed: u64, body: &[u8]) -> u64 {
    let mix =
        |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = body.as_chunks::<8>();
    let seed = mix(seed, body.len() as u64);
    let sum = words.iter().fold(seed, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, octet| mix(sum, u64::from(*octet)))
}

/// Where a file is written before it takes the place of another.
#[must_use]
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    temporary.into()
}

/// Puts the compiled form of a text in the place of what is there: whole, or not at all;
/// nobody reads it who may not read the text.
///
/// # Errors
/// Those of writing it.
pub(crate) fn replace(path: &Path, text: &Stat, pieces: &[&[u8]]) -> io::Result<()> {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    let mode = u32::from(text.st_mode) & 0o644;
    let temporary = beside(path);
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(&temporary)?;
    let written = pieces
        .iter()
        .try_for_each(|piece| file.write_all(piece))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
