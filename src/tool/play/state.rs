//! A copy of what sessions share, so that nothing is remembered of a client who was
//! not there.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context;

/// Names that are tried.
const TRIES: u32 = 100;

/// The copy, which is gone with this.
pub(in super::super) struct StateCopy(&'static Path);

impl StateCopy {
    /// One of this directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in super::super) fn of(state: &Path) -> anyhow::Result<StateCopy> {
        let copy = StateCopy::fresh()?;
        // What cannot be read is not there for a session of this user either.
        let _ = fs::copy(state.join("intervals"), copy.0.join("intervals"));
        Ok(copy)
    }

    /// A directory that nobody else has: names in such a place are anybody's to take.
    fn fresh() -> anyhow::Result<StateCopy> {
        let mut tries = 0..TRIES;
        loop {
            let since = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
            let name = format!("smtp-wrapper-play.{}.{since}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists && tries.next().is_some() => {}
                Err(error) => return Err(error).with_context(|| format!("{}", path.display())),
                Ok(()) => return Ok(StateCopy(Box::leak(path.into_boxed_path()))),
            }
        }
    }

    /// Where it lies.
    pub(in super::super) fn path(&self) -> &'static Path {
        self.0
    }
}

impl Drop for StateCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0);
    }
}
