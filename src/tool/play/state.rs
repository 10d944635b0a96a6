//! A copy of what sessions share, so that nothing is remembered of a client who was
//! not there.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// The copy, which is gone with this.
pub(in super::super) struct StateCopy(&'static Path);

impl StateCopy {
    /// One of this directory.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in super::super) fn of(state: &Path) -> anyhow::Result<StateCopy> {
        let name = format!("smtp-wrapper-play.{}", std::process::id());
        let path = Box::leak(std::env::temp_dir().join(name).into_boxed_path());
        let copy = StateCopy(path);
        fs::create_dir(copy.0).with_context(|| format!("{}", copy.0.display()))?;
        // What cannot be read is not there for a session of this user either.
        let _ = fs::copy(state.join("intervals"), copy.0.join("intervals"));
        Ok(copy)
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
