//! A folder for configurations, sockets and the like; it goes when it is dropped.

use std::path::{Path, PathBuf};
use std::{fs, io};

pub struct Folder(PathBuf);

impl Folder {
    /// With as long a path in each run, and whatever $TMPDIR says: sessions go by its letters.
    pub fn new(name: &str) -> io::Result<Self> {
        let name = format!("smtp-wrapper-bench-{name}.{:07}", std::process::id());
        let path = Path::new("/tmp").join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
