//! Octets in large blocks, taken line by line. A line that is longer than the limit is
//! passed over.

use std::io::{self, Read};

use memchr::memchr;

/// Octets that are read at once, and a line at most.
const BLOCK: usize = 256 * 1024;
pub(super) const LINE: usize = 64 * 1024;

/// What comes next.
pub(super) enum Next<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    TooLong,
    End,
}

pub(super) struct Blocks {
    source: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    total: u64,
    /// A block was read, and nobody was told yet.
    fresh: bool,
}

impl Blocks {
    pub(super) fn new(source: Box<dyn Read>) -> Blocks {
        let buffer = vec![0; BLOCK + LINE];
        Blocks { source, buffer, start: 0, end: 0, total: 0, fresh: false }
    }

    /// Octets that were read.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The same, once after each block.
    pub(super) fn news(&mut self) -> Option<u64> {
        std::mem::take(&mut self.fresh).then_some(self.total)
    }

    /// Does it begin so?
    pub(super) fn begins(&mut self, with: &[u8]) -> io::Result<bool> {
        while self.end - self.start < with.len() && self.fill()? {}
        Ok(self.unread().starts_with(with))
    }

    /// The next line.
    #[inline]
    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.get(self.start + searched..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', unread) {
                let start = self.start;
                let end = start + searched + at;
                self.start = end + 1;
                return Ok(match end - start {
                    ..=LINE => Next::Line(self.buffer.get(start..end).unwrap_or_default()),
                    _ => Next::TooLong,
                });
            }
            searched = self.end - self.start;
            if searched > LINE {
                self.pass_line()?;
                return Ok(Next::TooLong);
            }
            if !self.fill()? {
                let start = self.start;
                self.start = self.end;
                return Ok(match searched {
                    0 => Next::End,
                    _ => Next::Line(self.buffer.get(start..self.end).unwrap_or_default()),
                });
            }
        }
    }

    /// Takes so many octets, whatever they are; `None` if they are more than a line may
    /// have, or are not there.
    pub(super) fn take(&mut self, count: u64) -> io::Result<Option<&[u8]>> {
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        if wanted > LINE {
            let mut left = count;
            loop {
                let here = u64::try_from(self.end - self.start).unwrap_or(0).min(left);
                self.start += usize::try_from(here).unwrap_or(0);
                left -= here;
                if left == 0 || !self.fill()? {
                    return Ok(None);
                }
            }
        }
        while self.end - self.start < wanted {
            if !self.fill()? {
                self.start = self.end;
                return Ok(None);
            }
        }
        let start = self.start;
        self.start += wanted;
        Ok(self.buffer.get(start..start + wanted))
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over the rest of a line.
    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = memchr(b'\n', self.unread()) {
                self.start += at + 1;
                return Ok(());
            }
            self.start = self.end;
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads a block; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                count => break count?,
            }
        };
        self.end += count;
        self.total += u64::try_from(count).unwrap_or(0);
        self.fresh = true;
        Ok(count > 0)
    }
}
