//! What the log has been told once, so that it is not told in each session: the
//! edition of the configuration that it was told of.

use std::io;
use std::path::Path;

use rustix::io::{pread, pwrite};

/// Has this edition not been told of? It is, from now on. Two sessions at once may
/// both be the first, which is no harm.
///
/// # Errors
/// The state directory's.
pub fn first_of(directory: &Path, edition: u64) -> io::Result<bool> {
    let file = super::file(directory, "unguarded")?;
    let mut known = [0; 8];
    let count = pread(&file, &mut known, 0)?;
    let first = count != known.len() || u64::from_le_bytes(known) != edition;
    if first {
        pwrite(&file, &edition.to_le_bytes(), 0)?;
    }
    Ok(first)
}
