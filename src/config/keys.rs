//! Reading the keys of a table: each value checked once, each mistake told with
//! its key and line.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use super::document::{Entry, Table, Value};
use crate::list::{List, Place, SYNTAXES, Syntax, TOPICS, Topic};

/// A key that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct BadKey {
    /// The line it stands on, or would belong to.
    pub line: u32,
    /// The key, if it is about one.
    pub key: Option<&'static str>,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// The files of lists that a configuration names.
#[derive(Debug)]
pub struct ListFiles {
    /// The configuration: their names are relative to where it lies.
    file: &'static str,
    /// Their compiled forms may be used.
    compiled: bool,
    opened: RefCell<Vec<Place>>,
}

impl ListFiles {
    /// Those of the configuration in this file.
    #[must_use]
    pub const fn of(file: &'static str, compiled: bool) -> ListFiles {
        ListFiles { file, compiled, opened: RefCell::new(Vec::new()) }
    }

    /// Those that were opened.
    #[must_use]
    pub fn opened(self) -> Vec<Place> {
        self.opened.into_inner()
    }
}

/// The keys of one table.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    table: &'a Table,
    files: &'a ListFiles,
    /// The first letters of the keys that are there, a bit each: of each filter a dozen
    /// keys are asked for that are not.
    letters: u32,
}

/// The bit for a key's first letter.
const fn letter(key: &str) -> u32 {
    match key.as_bytes() {
        [first, ..] => 1 << (*first & 31),
        [] => 0,
    }
}

impl<'a> Keys<'a> {
    /// Those of this table.
    #[must_use]
    pub fn new(table: &'a Table, files: &'a ListFiles) -> Keys<'a> {
        let letters = table.entries.iter().fold(0, |all, entry| all | letter(entry.key));
        Keys { table, files, letters }
    }

    fn get(&self, key: &str) -> Option<&'a Entry> {
        if self.letters & letter(key) == 0 {
            return None;
        }
        self.table.entries.iter().find(|entry| entry.key == key)
    }

    /// The error that this key is missing.
    #[must_use]
    pub fn missing(&self, key: &'static str, wants: &str) -> BadKey {
        BadKey { line: self.table.line, key: Some(key), what: format!("is missing: {wants}") }
    }

    /// Is there such a key?
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The error that this key's value is wrong.
    #[must_use]
    #[cold]
    pub fn wrong(&self, key: &'static str, wants: impl Into<String>) -> BadKey {
        let line = self.get(key).map_or(self.table.line, |entry| entry.line);
        BadKey { line, key: Some(key), what: wants.into() }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, key: &'static str) -> Result<Option<&'static str>, BadKey> {
        match self.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text in quotes")),
        }
    }

    /// A text that is one of these words, and what that stands for.
    ///
    /// # Errors
    /// When it is something else.
    pub fn choice<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, BadKey> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(self.none_of(key, &mut words.iter().map(|(word, _)| *word))),
        }
    }

    /// The error that this key has none of these values.
    #[cold]
    fn none_of(&self, key: &'static str, words: &mut dyn Iterator<Item = &str>) -> BadKey {
        let words: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
        self.wrong(key, format!("must be {}", words.join(" or ")))
    }

    /// True or false; false without the key.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, key: &'static str) -> Result<bool, BadKey> {
        match self.get(key).map(|entry| &entry.value) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(key, "must be true or false")),
        }
    }

    /// A number from `least` to `most`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, key: &'static str, least: u32, most: u32) -> Result<Option<u32>, BadKey> {
        let wrong = || self.wrong(key, format!("must be a number from {least} to {most}"));
        match self.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Integer(value)) => match u32::try_from(*value) {
                Ok(value) if (least..=most).contains(&value) => Ok(Some(value)),
                _ => Err(wrong()),
            },
            Some(_) => Err(wrong()),
        }
    }

    /// A time: `"5s"`, `"500ms"`, `"2m"`, `"1h"`, or seconds as a number.
    ///
    /// # Errors
    /// When it is something else, or more than a day.
    pub fn time(&self, key: &'static str) -> Result<Option<Duration>, BadKey> {
        let time = match self.get(key).map(|entry| &entry.value) {
            None => return Ok(None),
            Some(Value::Text(text)) => super::time::parse(text),
            Some(Value::Integer(seconds)) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Some(_) => None,
        };
        match time {
            Some(time) if time <= super::time::LONGEST => Ok(Some(time)),
            _ => Err(self.wrong(key, "must be a time of at most a day, as in \"5s\", \"2m\" or 5")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, key: &'static str) -> Result<Option<Vec<&'static str>>, BadKey> {
        let wrong = || self.wrong(key, "must be a list of texts, as in [\"a\", \"b\"]");
        match self.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::List(values)) => values
                .iter()
                .map(|value| match value {
                    Value::Text(text) => Ok(*text),
                    _ => Err(wrong()),
                })
                .collect::<Result<Vec<_>, _>>()
                .map(Some),
            Some(_) => Err(wrong()),
        }
    }

    /// A text, or a list of texts.
    ///
    /// # Errors
    /// When it is something else.
    pub fn one_or_more(&self, key: &'static str) -> Result<Option<Vec<&'static str>>, BadKey> {
        match self.get(key).map(|entry| &entry.value) {
            Some(Value::Text(text)) => Ok(Some(vec![text])),
            Some(Value::List(_)) | None => self.texts(key),
            Some(_) => Err(self.wrong(key, "must be a text in quotes, or a list of texts")),
        }
    }

    /// A list of entries, which are about this if they do not say so themselves.
    ///
    /// # Errors
    /// When one of them is none, or a file of them cannot be read.
    pub fn list(&self, key: &'static str, topic: Topic) -> Result<Option<List>, BadKey> {
        let Some(entry) = self.get(key) else { return Ok(None) };
        let Value::List(values) = &entry.value else {
            return Err(self.wrong(key, "must be a list of texts, as in [\"a\", \"b\"]"));
        };
        let mut list = List::default();
        for value in values {
            let Value::Text(text) = value else {
                return Err(self.wrong(key, "must be a list of texts, as in [\"a\", \"b\"]"));
            };
            match text.strip_prefix("list:") {
                Some(name) => self.add_file(&mut list, key, name, (Syntax::Usual, topic))?,
                None => {
                    let added = list.add(text, values.len(), topic);
                    added.map_err(|what| self.wrong(key, what))?;
                }
            }
        }
        Ok(Some(list))
    }

    /// What `entries`, `lists`, `syntax` and `match` say together; `None` if there are
    /// neither entries nor lists.
    ///
    /// # Errors
    /// When something is wrong with one of them.
    pub fn lists(&self) -> Result<Option<List>, BadKey> {
        let topic = self.choice("match", TOPICS)?;
        let syntax = self.choice("syntax", SYNTAXES)?;
        let entries = self.list("entries", topic.unwrap_or_default())?;
        let Some(names) = self.texts("lists")? else {
            return match syntax {
                Some(_) => Err(self.wrong("syntax", "goes with lists")),
                None => Ok(entries),
            };
        };
        let how = (syntax.unwrap_or_default(), topic.unwrap_or_default());
        self.with_files(entries.unwrap_or_default(), names, how).map(Some)
    }

    /// The list with what is in these files.
    #[inline(never)] // Not in every session.
    fn with_files(
        &self,
        mut list: List,
        names: Vec<&'static str>,
        how: (Syntax, Topic),
    ) -> Result<List, BadKey> {
        for name in names {
            self.add_file(&mut list, "lists", name, how)?;
        }
        Ok(list)
    }

    fn add_file(
        &self,
        list: &mut List,
        key: &'static str,
        name: &'static str,
        (syntax, topic): (Syntax, Topic),
    ) -> Result<(), BadKey> {
        if name.is_empty() || name.contains('\0') {
            return Err(self.wrong(key, "must name a file"));
        }
        let path = match name.starts_with('/') {
            true => Path::new(name),
            false => Box::leak(Path::new(self.files.file).with_file_name(name).into_boxed_path()),
        };
        let place = Place { name, path, syntax, topic };
        let file = place.open(self.files.compiled).map_err(|what| self.wrong(key, what))?;
        self.files.opened.borrow_mut().push(place);
        list.add_file(file);
        Ok(())
    }
}
