//! A list in a file: its text, or its compiled form if that is of the text as it is.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::Stat;
use rustix::io::Errno;

use super::action::Action;
use super::compiled::{self, Compiled, Damaged};
use super::entry::Topic;
use super::patterns::{Patterns, Subject};
use super::text::{self, BadLine, Syntax};
use super::warnings::warnings;
use super::{Hit, compiled::Written};
use crate::{dates, file};

/// A larger list is none of ours, in MiB: some ten million entries.
const MOST: u64 = 256;

/// Where a list lies and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// As it is named, for the log.
    pub name: &'static str,
    /// The file.
    pub path: &'static Path,
    /// How it is written.
    pub syntax: Syntax,
    /// What its entries are about that do not say so themselves.
    pub topic: Topic,
}

/// A list in a file.
pub struct ListFile {
    place: Place,
    form: Form,
    note: Cell<Option<String>>,
    /// Neither its compiled form nor its text can be read any more.
    broken: Cell<bool>,
}

enum Form {
    Text(Patterns),
    Compiled(Box<(Compiled, Text)>, OnceCell<Patterns>),
}

/// The text of a list whose compiled form is used: should that be found to be damaged, a session
/// has long given up to open files.
struct Text {
    file: OwnedFd,
    stat: Stat,
}

impl Place {
    /// Opens the list, in its compiled form if `compiled` and there is one.
    ///
    /// # Errors
    /// Says which file and line is wrong, and why.
    pub fn open(self, compiled: bool) -> Result<ListFile, String> {
        let mut note = None;
        if compiled {
            let text = self.open_text()?;
            match Compiled::open(self.path, &text.stat, self.syntax, self.topic) {
                Some(Ok(compiled)) => {
                    let form = Form::Compiled(Box::new((compiled, text)), OnceCell::new());
                    return Ok(ListFile {
                        place: self,
                        form,
                        note: Cell::new(None),
                        broken: Cell::new(false),
                    });
                }
                Some(Err(why)) => note = Some(self.stale(why)),
                None => {}
            }
        }
        let (patterns, ..) = self.read(&mut |_| {})?;
        Ok(ListFile {
            place: self,
            form: Form::Text(patterns),
            note: Cell::new(note),
            broken: Cell::new(false),
        })
    }

    fn cannot(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::NotFound => format!("{}: there is no such file", self.path.display()),
            _ => format!("{}: cannot be read: {error}", self.path.display()),
        }
    }

    fn stale(&self, why: &str) -> String {
        format!(
            "{}.compiled {why}; the text is read; run smtp-wrapper compile",
            self.path.display()
        )
    }

    fn open_text(&self) -> Result<Text, String> {
        let opened = file::open(self.path).and_then(|opened| opened.ok_or(Errno::NOENT.into()));
        opened.map(|(file, stat)| Text { file, stat }).map_err(|error| self.cannot(&error))
    }

    /// Reads the text.
    fn read(&self, told: &mut dyn FnMut(u32)) -> Result<(Patterns, Stat, &'static str), String> {
        let text = self.open_text()?;
        let (patterns, octets) = self.read_from(&text, told)?;
        Ok((patterns, text.stat, octets))
    }

    fn read_from(
        &self,
        Text { file, stat }: &Text,
        told: &mut dyn FnMut(u32),
    ) -> Result<(Patterns, &'static str), String> {
        let octets = file::read_all(file, stat, MOST).map_err(|error| self.cannot(&error))?;
        let not_text = |_| format!("{}: is not UTF-8", self.path.display());
        let text = std::str::from_utf8(octets.leak()).map_err(not_text)?;
        let patterns =
            text::read(text, self.syntax, self.topic, told).map_err(|bad| self.bad(&bad))?;
        Ok((patterns, text))
    }

    fn hit(&self, line: u32, action: Option<Action<'static>>) -> Hit {
        let entry = format!("{}:{line}", self.name).into_bytes();
        Hit { action, entry: Cow::Owned(entry) }
    }

    fn bad(&self, bad: &BadLine) -> String {
        format!("{}:{}: {}", self.path.display(), bad.line, bad.what)
    }
}

impl ListFile {
    /// How it is written.
    pub(super) fn syntax(&self) -> Syntax {
        self.place.syntax
    }

    pub(super) fn is_about(&self, subject: Subject<'_>) -> bool {
        match &self.form {
            Form::Text(patterns) => patterns.is_about(subject),
            Form::Compiled(compiled, _) => compiled.0.is_about(subject),
        }
    }

    pub(super) fn accepts(&self) -> bool {
        match &self.form {
            Form::Text(patterns) => patterns.accepts,
            Form::Compiled(compiled, _) => compiled.0.accepts(),
        }
    }

    pub(super) fn find(&self, subject: Subject<'_>) -> Option<Hit> {
        let (line, action) = match &self.form {
            Form::Text(patterns) => {
                patterns.find(subject).map(|mark| (mark.line, mark.action()))?
            }
            Form::Compiled(compiled, text) => match text.get() {
                Some(patterns) => patterns.find(subject).map(|mark| (mark.line, mark.action()))?,
                None => match compiled.0.find(subject) {
                    Ok(found) => {
                        let (line, action) = found?;
                        let action = Action::parse(&action).ok().flatten();
                        return Some(self.place.hit(line, action.map(Action::into_owned)));
                    }
                    Err(Damaged) => {
                        let patterns = text.get_or_init(|| self.text_after_all(&compiled.1));
                        patterns.find(subject).map(|mark| (mark.line, mark.action()))?
                    }
                },
            },
        };
        // What was written has been read before.
        Some(self.place.hit(line, Action::parse(action).ok().flatten()))
    }

    /// The text, when the compiled form was found to be damaged.
    fn text_after_all(&self, text: &Text) -> Patterns {
        self.note.set(Some(self.place.stale("is damaged")));
        match self.place.read_from(text, &mut |_| {}) {
            Ok((patterns, ..)) => patterns,
            // It was sound when it was compiled, and has not changed since.
            Err(why) => {
                self.note.set(Some(why));
                self.broken.set(true);
                Patterns::default()
            }
        }
    }

    /// Is it the compiled form that is used?
    pub(crate) fn is_compiled(&self) -> bool {
        matches!(self.form, Form::Compiled(..))
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// What the log is to know, once.
    pub(crate) fn take_note(&self) -> Option<String> {
        self.note.take()
    }
}

/// The date that a list bears in the comments at its head, as in `# as of 2026-11-24`.
fn dated(text: &'static str) -> Option<&'static str> {
    const BEFORE: &str = "as of ";
    let mut head = text.lines().take_while(|line| line.starts_with('#'));
    let after = head.find_map(|line| line.split_once(BEFORE))?.1;
    after.get(.."yyyy-mm-dd".len())
}

/// A list that is being compiled.
pub struct Compiling {
    place: Place,
    patterns: Patterns,
    stat: Stat,
    dated: Option<&'static str>,
}

impl Compiling {
    /// Reads the text; `told` is told now and then how many lines are read.
    ///
    /// # Errors
    /// Says which line is wrong, and why.
    pub fn read(place: Place, told: &mut dyn FnMut(u32)) -> Result<Compiling, String> {
        let (patterns, stat, text) = place.read(told)?;
        Ok(Compiling { place, patterns, stat, dated: dated(text) })
    }

    /// How many days old the list is, if it says so.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<u64> {
        dates::age(self.dated?, now)
    }

    /// Entries that were read, and how many of them are expressions.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.patterns.count(), self.patterns.expressions.len())
    }

    /// Makes the compiled form and puts it beside the text; gives its path, and what
    /// its author should know. `told` is told now and then how many expressions are done.
    ///
    /// # Errors
    /// An expression that is too large, or those of writing the file.
    pub fn write(self, told: &mut dyn FnMut(u32)) -> Result<(PathBuf, Vec<String>), String> {
        let (path, stat) = (file::compiled_path(self.place.path), self.stat);
        let (octets, warnings) = self.make(told)?;
        file::replace(&path, &stat, &[&octets])
            .map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
        Ok((path, warnings))
    }

    /// Makes the compiled form, and writes it nowhere; gives what its author should know.
    ///
    /// # Errors
    /// An expression that is too large.
    pub fn warnings(self) -> Result<Vec<String>, String> {
        self.make(&mut |_| {}).map(|(_, warnings)| warnings)
    }

    fn make(self, told: &mut dyn FnMut(u32)) -> Result<(Vec<u8>, Vec<String>), String> {
        let Compiling { place, patterns, stat, .. } = self;
        let Written { octets, shadowed } =
            compiled::write(&patterns, &stat, (place.syntax, place.topic), told)
                .map_err(|bad| place.bad(&bad))?;
        let warnings = warnings(&patterns, &shadowed);
        Ok((octets, warnings.iter().map(|bad| place.bad(bad)).collect()))
    }
}
