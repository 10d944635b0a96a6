//! Places in the tarpit.

use std::io;
use std::path::Path;

/// A place that is taken.
#[derive(Debug)]
pub struct Place;

/// The places.
#[derive(Debug)]
pub struct Places;

impl Places {
    /// Takes one.
    ///
    /// # Errors
    /// The state directory's.
    pub fn take(_directory: &Path, _most: u32) -> io::Result<Option<Place>> {
        Ok(Some(Place))
    }
}
