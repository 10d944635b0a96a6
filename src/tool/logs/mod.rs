//! Reads logs, for `report` and `replay`.
//!
//! A log is any number of files of lines: of ours in each style, of the original, of
//! Postfix; plain or gzip, of a syslogd or exported by the journal. They are read in
//! large blocks and never kept: memory does not grow with a log. What is in them is
//! hostile, whoever wrote them: a line is bounded, and what is not understood is
//! counted and passed over.
//!
//! There is one form of what a line says: the fields of the native line. A line of
//! another style is first written as the native line that says the same
//! ([`json`], [`postfix`], [`original`]), so that nobody behind knows more than one.

mod blocks;
mod export;
mod input;
mod json;
mod native;
mod original;
mod postfix;
mod progress;
mod stamp;

use std::io;

use memchr::memmem;

use crate::log::fields::{Fields, START};

pub(crate) use input::{Input, Read};
pub(crate) use native::ip;
pub(crate) use progress::Progress;

use blocks::{Blocks, Next};
use postfix::Postfix;
use stamp::Clock;

/// In which style a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Native,
    Json,
    Postfix,
    Original,
}

impl Style {
    pub(crate) const ALL: [(Style, &'static str); 4] = [
        (Style::Native, "native"),
        (Style::Json, "json"),
        (Style::Postfix, "postfix"),
        (Style::Original, "original"),
    ];
}

/// What one line of a log says.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) style: Style,
    /// When it was written, in microseconds since 1970, if that is known: by the line
    /// itself, or else by who kept it. A time without a zone is taken for UTC.
    pub(crate) time: Option<u64>,
    /// The native line that says the same. What is between brackets is as written, so
    /// with `\xNN`; but a forged line may have any octets.
    pub(crate) fields: Fields<'a>,
    /// The line as it stands in the log, or as the journal has it.
    pub(crate) line: &'a [u8],
}

/// What was read, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) octets: u64,
    pub(crate) lines: u64,
    /// Lines of each style.
    pub(crate) of_style: [u64; Style::ALL.len()],
    /// Lines longer than the limit, which were passed over.
    pub(crate) too_long: u64,
}

impl Counts {
    pub(crate) fn known(&self) -> u64 {
        self.of_style.iter().sum()
    }
}

/// Reads logs, one behind the other.
#[derive(Default)]
pub(crate) struct Logs {
    pub(crate) counts: Counts,
    lines: Lines,
}

impl Logs {
    /// Reads one to its end, and hands out each line that is known. `progress` is told
    /// now and then, with the octets read from this file.
    ///
    /// # Errors
    /// What was read before has been handed out.
    pub(crate) fn read(
        &mut self,
        input: Input,
        progress: &mut dyn FnMut(u64),
        each: &mut impl FnMut(&Entry<'_>),
    ) -> io::Result<()> {
        self.lines.clock = Clock::new(input.written);
        self.lines.postfix = Postfix::default();
        let mut blocks = Blocks::new(input.octets);
        if blocks.begins(export::START)? {
            let told = |line: &[u8], time| self.line(line, time, each);
            let outcome = export::read(&mut blocks, progress, told);
            self.counts.octets += blocks.total();
            return outcome;
        }
        let outcome = self.each_line(&mut blocks, progress, each);
        self.counts.octets += blocks.total();
        outcome
    }

    fn each_line(
        &mut self,
        blocks: &mut Blocks,
        progress: &mut dyn FnMut(u64),
        each: &mut impl FnMut(&Entry<'_>),
    ) -> io::Result<()> {
        loop {
            match blocks.next()? {
                Next::Line(line) => self.line(line.strip_suffix(b"\r").unwrap_or(line), None, each),
                Next::TooLong => {
                    self.counts.lines += 1;
                    self.counts.too_long += 1;
                }
                Next::End => return Ok(()),
            }
            if let Some(octets) = blocks.news() {
                progress(octets);
            }
        }
    }

    #[inline]
    fn line(&mut self, line: &[u8], kept: Option<u64>, each: &mut impl FnMut(&Entry<'_>)) {
        self.counts.lines += 1;
        if let Some(entry) = self.lines.entry(line, kept) {
            if let Some(count) = self.counts.of_style.get_mut(entry.style as usize) {
                *count += 1;
            }
            each(&entry);
        }
    }
}

/// Knows lines by their looks.
struct Lines {
    native: memmem::Finder<'static>,
    clock: Clock,
    postfix: Postfix,
    /// A line written anew, and the text of a line of the journal.
    anew: Vec<u8>,
    message: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Lines {
            native: memmem::Finder::new(START),
            clock: Clock::new(std::time::SystemTime::now()),
            postfix: Postfix::default(),
            anew: Vec::new(),
            message: Vec::new(),
        }
    }
}

impl Lines {
    /// What a line says. `kept` is when it was written by the word of who kept it.
    #[inline]
    fn entry<'a>(&'a mut self, line: &'a [u8], kept: Option<u64>) -> Option<Entry<'a>> {
        if let Some(at) = self.native.find(line) {
            let (prefix, rest) = line.split_at_checked(at)?;
            if native::may_stand_behind(prefix) {
                let fields = Fields::of(rest)?;
                let time = native::time(rest).or(kept).or_else(|| self.clock.stamp(prefix));
                return Some(Entry { style: Style::Native, time, fields, line });
            }
        }
        self.other(line, kept)
    }

    #[inline(never)]
    fn other<'a>(&'a mut self, line: &'a [u8], kept: Option<u64>) -> Option<Entry<'a>> {
        if let Some(time) = json::of_journal(line, &mut self.message) {
            let message = std::mem::take(&mut self.message);
            let known = self.message(&message, time);
            self.message = message;
            return self.written(known?, time, &self.message);
        }
        let known = self.message(line, kept)?;
        self.written(known, kept, line)
    }

    /// Writes a line anew; tells the style it had, and when it was written.
    fn message(&mut self, line: &[u8], kept: Option<u64>) -> Option<(Style, Option<u64>)> {
        self.anew.clear();
        if let Some(at) = self.native.find(line) {
            let (prefix, rest) = line.split_at_checked(at)?;
            if native::may_stand_behind(prefix) {
                self.anew.extend_from_slice(rest);
                return Some((Style::Native, kept.or_else(|| self.clock.stamp(prefix))));
            }
        }
        if let Some(at) = memmem::find(line, json::START) {
            let (prefix, rest) = line.split_at_checked(at)?;
            if native::may_stand_behind(prefix) {
                json::rewrite(rest, &mut self.anew)?;
                return Some((Style::Json, kept.or_else(|| self.clock.stamp(prefix))));
            }
        }
        let time = kept.or_else(|| self.clock.stamp(line));
        if self.postfix.rewrite(line, &mut self.anew).is_some() {
            return Some((Style::Postfix, time));
        }
        original::rewrite(line, &mut self.anew)?;
        Some((Style::Original, time))
    }

    fn written<'a>(
        &'a self,
        (style, stamp): (Style, Option<u64>),
        kept: Option<u64>,
        line: &'a [u8],
    ) -> Option<Entry<'a>> {
        let fields = Fields::of(&self.anew)?;
        let time = native::time(&self.anew).or(kept).or(stamp);
        Some(Entry { style, time, fields, line })
    }
}

#[cfg(test)]
mod tests;
