//! Where a log comes from: a file or standard input, perhaps compressed.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use anyhow::Context;
use flate2::read::MultiGzDecoder;

/// How gzip begins (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Octets of a compressed file that are read at once.
const BLOCK: usize = 128 * 1024;

/// A log to be read.
pub(crate) struct Input {
    /// What it is called.
    pub(crate) name: String,
    pub(super) octets: Box<dyn io::Read>,
    /// When it was last written.
    pub(crate) written: SystemTime,
    /// Its octets as they lie there; none if nobody knows.
    pub(crate) size: Option<u64>,
    /// Those of them that were read.
    pub(crate) read: Read,
}

/// How much of a file was read.
#[derive(Clone, Default)]
pub(crate) struct Read(Rc<Cell<u64>>);

impl Read {
    pub(crate) fn octets(&self) -> u64 {
        self.0.get()
    }
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    read: Read,
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(room)?;
        self.read.0.set(self.read.0.get() + u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn open(name: &str) -> anyhow::Result<Input> {
        if name == "-" {
            return Input::of("standard input", io::stdin().lock(), SystemTime::now(), None);
        }
        let file = File::open(Path::new(name)).with_context(|| name.to_owned())?;
        let meta = file.metadata().with_context(|| name.to_owned())?;
        let written = meta.modified().unwrap_or_else(|_| SystemTime::now());
        Input::of(name, file, written, meta.is_file().then_some(meta.len()))
    }

    /// What anything gives.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn of(
        name: &str,
        source: impl io::Read + 'static,
        written: SystemTime,
        size: Option<u64>,
    ) -> anyhow::Result<Input> {
        let read = Read::default();
        let mut source = Counted { source, read: read.clone() };
        let mut start = Vec::with_capacity(GZIP.len());
        source
            .by_ref()
            .take(GZIP.len() as u64)
            .read_to_end(&mut start)
            .with_context(|| name.to_owned())?;
        let compressed = start == GZIP;
        let whole = io::Cursor::new(start).chain(source);
        let octets: Box<dyn io::Read> = match compressed {
            true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK, whole))),
            false => Box::new(whole),
        };
        Ok(Input { name: name.to_owned(), octets, written, size, read })
    }
}
