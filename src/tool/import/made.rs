//! What is made: lists, filters, and what could not be carried.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, anyhow};

use crate::config::{self, Source};

/// The configuration's name.
const CONFIGURATION: &str = "smtp-wrapper.toml";
/// How much of what could not be carried is written as comments, too.
const COMMENTS: usize = 500;
/// Characters that are told of each, from its beginning and from its end.
const TOLD: (usize, usize) = (200, 150);

/// What is true of a configuration without filters.
const NO_FILTER: &str = "THERE IS NO FILTER in what was made: every client passes, and the MTA \
                         relays for all of them if it relays for this host";

/// What is made.
#[derive(Default)]
pub(super) struct Made {
    /// Names and texts.
    lists: Vec<(String, String)>,
    /// The tables of filters, as they are written.
    filters: String,
    /// What could not be carried: its place, and why not and what to do.
    left: Vec<String>,
    /// What is carried, and worth a look.
    notes: Vec<String>,
    /// Entries that were carried.
    entries: u64,
}

impl Made {
    /// Adds a list of so many entries; gives its name, which is like this one.
    pub(super) fn list(&mut self, like: &str, text: String, entries: usize) -> String {
        let sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let base: String = like.chars().map(|c| if sound(c) { c } else { '_' }).collect();
        let base = base.trim_start_matches(['.', '-']);
        let base = if base.is_empty() { "list" } else { base };
        let mut name = base.to_owned();
        let mut n = 1;
        while name == CONFIGURATION || self.lists.iter().any(|(other, _)| *other == name) {
            n += 1;
            name = format!("{n}-{base}");
        }
        self.lists.push((name.clone(), text));
        self.entries += entries as u64;
        name
    }

    /// Adds a filter's table, or comments.
    pub(super) fn filter(&mut self, text: &str) {
        self.filters.push('\n');
        self.filters.push_str(text);
    }

    /// This could not be carried.
    pub(super) fn leave(&mut self, place: &str, why: &str) {
        self.left.push(shown(place, why));
    }

    /// This is carried, and worth a look.
    pub(super) fn note(&mut self, place: &str, what: &str) {
        self.notes.push(shown(place, what));
    }

    /// Was everything carried, and was that anything?
    pub(super) fn is_whole(&self) -> bool {
        self.left.is_empty() && self.has_filters()
    }

    fn has_filters(&self) -> bool {
        self.filters.lines().any(|line| line == "[[filter]]")
    }

    fn configuration(&self) -> String {
        let mut text = String::from("# Made by smtp-wrapper import.\n");
        if !self.has_filters() {
            let _ = writeln!(text, "#\n# {NO_FILTER}.");
        }
        for (title, lines) in
            [("What could not be carried:", &self.left), ("What is worth a look:", &self.notes)]
        {
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(text, "#\n# {title}");
            for line in lines.iter().take(COMMENTS) {
                let _ = writeln!(text, "# - {line}");
            }
            if lines.len() > COMMENTS {
                let _ = writeln!(text, "# - and {} more", lines.len() - COMMENTS);
            }
        }
        text + &self.filters
    }

    /// Writes it into a directory that is made for it; then, whether the configuration can
    /// be read.
    ///
    /// # Errors
    /// It is there, or cannot be made or written.
    pub(super) fn write(&self, into: &'static str) -> anyhow::Result<anyhow::Result<()>> {
        let directory = Path::new(into);
        fs::create_dir(directory).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                anyhow!("{into} is there already: name a directory that is not")
            }
            _ => anyhow!("{into}: cannot be made: {error}"),
        })?;
        let configuration = (CONFIGURATION.to_owned(), self.configuration());
        for (name, text) in self.lists.iter().chain([&configuration]) {
            let path = directory.join(name);
            File::create_new(&path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        let path: &str = format!("{into}/{CONFIGURATION}").leak();
        let loaded = config::load(Source::Named(path), false, |_| Ok(()));
        Ok(loaded.map(drop).map_err(|error| anyhow!("what was made cannot be read: {error}")))
    }

    /// What there is to tell.
    pub(super) fn report(&self, into: &str) -> String {
        let mut text = String::new();
        for name in self.lists.iter().map(|(name, _)| name.as_str()).chain([CONFIGURATION]) {
            let _ = writeln!(text, "{into}/{name} is written");
        }
        let _ = writeln!(text, "entries       {}", self.entries);
        let _ = writeln!(text, "not carried   {}", self.left.len());
        for (title, lines) in [("not carried", &self.left), ("worth a look", &self.notes)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n{title}");
                text.extend(lines.iter().map(|line| format!("    {line}\n")));
            }
        }
        if !self.has_filters() {
            let _ = writeln!(text, "\n{NO_FILTER}");
        }
        text
    }
}

/// A place and a text in one line, for a terminal and a comment; what is too long is cut
/// in the middle, for the end says what to do.
fn shown(place: &str, text: &str) -> String {
    let count = text.chars().count();
    let (head, tail) = TOLD;
    let text: String = match count > head + tail {
        true => {
            let (head, tail) = (text.chars().take(head), text.chars().skip(count - tail));
            head.chain(['…']).chain(tail).collect()
        }
        false => text.to_owned(),
    };
    let escaped = |c: char| match c {
        ' '..='~' | '…' => c.to_string(),
        c => c.escape_unicode().to_string(),
    };
    format!("{place}: {text}").chars().map(escaped).collect()
}
