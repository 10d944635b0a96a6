//! A message that is kept for a while: in memory, and beyond
//! [`limits::SPOOL_MEMORY`] in a file without a name.
//!
//! The file lies in the state directory, and where there is none, in a directory
//! for temporary files; there it never has a name that anybody could see or
//! prepare, or, on systems that cannot do that, has one for a moment in a
//! directory of its own that nobody else can enter.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, mkdir, open, rmdir, unlinkat};
use rustix::io::{Errno, pread, write};

use crate::{limits, sys};

/// Octets that are kept.
#[derive(Debug)]
pub struct Spool {
    directory: &'static Path,
    /// What is not in the file.
    memory: Vec<u8>,
    file: Option<OwnedFd>,
    /// How many octets are in the file.
    filed: u64,
}

impl Spool {
    /// An empty one; its file, if it comes to that, lies in this directory.
    #[must_use]
    pub fn new(directory: &'static Path) -> Spool {
        Spool { directory, memory: Vec::new(), file: None, filed: 0 }
    }

    /// How many octets are kept.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.filed + self.memory.len() as u64
    }

    /// Is there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps these too.
    ///
    /// # Errors
    /// Those of writing; `FileTooLarge` beyond [`limits::SPOOL`].
    pub fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.len() + octets.len() as u64 > limits::SPOOL {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.memory.len() + octets.len() > limits::SPOOL_MEMORY {
            self.write_out()?;
            // A block that is large enough need not be copied.
            if octets.len() >= limits::SPOOL_MEMORY / 4 {
                return self.write(octets);
            }
        }
        self.memory.extend_from_slice(octets);
        Ok(())
    }

    /// Appends what stands at `offset` to the spare capacity of `into`, as much
    /// as there is; 0 at the end, or when there is no capacity.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&self, offset: u64, into: &mut Vec<u8>) -> io::Result<usize> {
        if let (Some(file), true) = (&self.file, offset < self.filed) {
            let most = usize::try_from(self.filed - offset).unwrap_or(usize::MAX);
            let before = into.len();
            let count = pread(file, spare_capacity(into), offset)?.min(most);
            into.truncate(before + count);
            return match count {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                count => Ok(count),
            };
        }
        let at = usize::try_from(offset - self.filed).unwrap_or(usize::MAX);
        let rest = self.memory.get(at..).unwrap_or_default();
        let count = rest.len().min(into.capacity() - into.len());
        into.extend_from_slice(rest.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// Puts into the file what is in memory.
    fn write_out(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(nameless(self.directory)?);
        }
        let mut memory = std::mem::take(&mut self.memory);
        self.write(&memory)?;
        memory.clear();
        self.memory = memory;
        Ok(())
    }

    fn write(&mut self, mut octets: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        while !octets.is_empty() {
            match write(file, octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.filed += count as u64;
                    octets = octets.get(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Opens a file without a name.
fn nameless(directory: &Path) -> io::Result<OwnedFd> {
    sys::outlive_file_limit();
    let mut outcome = without_name(directory).or_else(|_| named_for_a_moment(directory));
    for shared in shared() {
        if outcome.is_ok() {
            break;
        }
        outcome = without_name(&shared).or_else(|_| alone_for_a_moment(&shared));
    }
    outcome.map_err(io::Error::from)
}

/// Directories that are tried if there is no place in ours.
pub(crate) fn shared() -> impl Iterator<Item = PathBuf> {
    let temporary = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    temporary.into_iter().chain(["/var/tmp".into(), "/tmp".into()])
}

#[cfg(target_os = "linux")]
fn without_name(directory: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::EXCL | OFlags::CLOEXEC;
    open(directory, flags, Mode::RUSR | Mode::WUSR)
}

#[cfg(not(target_os = "linux"))]
fn without_name(_directory: &Path) -> Result<OwnedFd, Errno> {
    Err(Errno::NOTSUP)
}

/// In a directory that is ours alone.
fn named_for_a_moment(directory: &Path) -> Result<OwnedFd, Errno> {
    let path = directory.join(unheard_of("message"));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::RUSR | Mode::WUSR)?;
    unlinkat(rustix::fs::CWD, &path, AtFlags::empty())?;
    Ok(file)
}

/// In a directory of its own within a shared one.
fn alone_for_a_moment(shared: &Path) -> Result<OwnedFd, Errno> {
    let own = shared.join(unheard_of("smtp-wrapper"));
    mkdir(&own, Mode::RWXU)?;
    let file = named_for_a_moment(&own);
    let _ = rmdir(&own);
    file
}

/// A name that is not there yet: if it is, opening fails, and nothing is lost
/// but this attempt.
fn unheard_of(what: &str) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // The standard library's keys come from the system's random numbers.
    format!("{what}.{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn octets(count: usize) -> Vec<u8> {
        (0..count).map(|n| (n / 7 % 251) as u8).collect()
    }

    fn all(spool: &Spool, block: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut into = Vec::with_capacity(block);
            match spool.read(all.len() as u64, &mut into).unwrap() {
                0 => return all,
                count => assert_eq!(count, into.len()),
            }
            all.extend(into);
        }
    }

    fn directory(path: &Path) -> &'static Path {
        Box::leak(path.to_owned().into_boxed_path())
    }

    #[test]
    fn what_is_kept_is_read_whatever_the_pieces() {
        let here = directory(&std::env::temp_dir());
        for size in [0, 1, 1000, limits::SPOOL_MEMORY, limits::SPOOL_MEMORY + 1, 1_000_000] {
            for piece in [1000, 65_536, 300_000] {
                let message = octets(size);
                let mut spool = Spool::new(here);
                message.chunks(piece).for_each(|piece| spool.append(piece).unwrap());
                assert_eq!(spool.len(), size as u64);
                assert_eq!(spool.file.is_some(), size > limits::SPOOL_MEMORY, "{size} {piece}");
                assert!(spool.memory.capacity() <= 2 * limits::SPOOL_MEMORY);
                assert!(all(&spool, 65_536) == message, "{size} {piece}");
            }
        }
    }

    #[test]
    fn too_much_is_refused() {
        let mut spool = Spool::new(directory(&std::env::temp_dir()));
        spool.filed = limits::SPOOL - 10;
        spool.append(&[0; 10]).unwrap();
        let error = spool.append(&[0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn each_way_to_a_nameless_file_leaves_nothing_behind() {
        let here = std::env::temp_dir().join(unheard_of("test"));
        std::fs::create_dir(&here).unwrap();
        for open in [without_name, named_for_a_moment, alone_for_a_moment] {
            if let Ok(file) = open(&here) {
                write(&file, b"x").unwrap();
            }
            assert_eq!(std::fs::read_dir(&here).unwrap().count(), 0);
        }
        std::fs::remove_dir(&here).unwrap();
        // Without a state directory it is still kept.
        nameless(&here).unwrap();
    }
}
