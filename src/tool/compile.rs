//! `smtp-wrapper compile`: reads a configuration and its lists beforehand, so that
//! sessions need not.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, anyhow};

use super::notes::{Pace, say};
use crate::cli::Invocation;
use crate::config::{self, Source, compiled};
use crate::list::{Compiling, Place, Syntax, Topic};
use crate::{dates, exit, providers, terminal};

/// Warnings about one list that are shown; there may be a million.
const WARNINGS: usize = 20;

/// A list of hosts is gone through now and then, or it names hosts that are
/// somebody else's by now.
pub(super) const OLD: u64 = 400;

/// Writes the compiled forms of the files that are named, or else of the configuration
/// that sessions read and of all its lists. A mistake in one is told, and nothing of
/// it is written.
///
/// # Errors
/// The first mistake, or why a file cannot be written.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    if asked.files.is_empty() {
        configuration(asked.source)?;
    }
    for &file in &asked.files {
        match file.ends_with(".toml") {
            true => configuration(Source::Named(file))?,
            false => list(named(file, asked.source))?,
        }
    }
    Ok(exit::OK)
}

/// A configuration and its lists.
pub(super) fn configuration(source: Source) -> anyhow::Result<()> {
    // As a session reads it, so that everything is looked at.
    let loaded = config::load(source, false, |_| Ok(()))?;
    let read = config::document(source, false)?.context("there is no configuration to compile")?;
    let mut done: Vec<Place> = Vec::new();
    for place in loaded.lists {
        match done.iter().find(|other| other.path == place.path) {
            Some(other) if *other == place => {}
            Some(_) => say(format_args!(
                "warning: {} is read in two ways (syntax, match), and compiled for the first; \
                 the other reads the text",
                place.path.display()
            )),
            None => {
                list(place)?;
                done.push(place);
            }
        }
    }
    let written = compiled::write(&read.document, Path::new(read.path), &read.stat)
        .with_context(|| format!("cannot write the compiled form of {}", read.path))?;
    if dates::age(providers::DATED, SystemTime::now()).is_some_and(|days| days > OLD) {
        let dated = providers::DATED;
        say(format_args!("warning: the provider list of this program is of {dated}: update it"));
    }
    let _ = terminal::print(&format!("{} is written\n", written.display()));
    Ok(())
}

/// A list that is named on the command line: as the configuration reads it, if it does.
fn named(file: &'static str, source: Source) -> Place {
    let path = Path::new(file);
    let lists = config::load(source, false, |_| Ok(())).map(|loaded| loaded.lists);
    let same = |place: &Place| match (fs::canonicalize(place.path), fs::canonicalize(path)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let known = lists.unwrap_or_default().into_iter().find(same);
    let (syntax, topic) = known.map_or((Syntax::Usual, Topic::Client), |p| (p.syntax, p.topic));
    Place { name: file, path, syntax, topic }
}

fn list(place: Place) -> anyhow::Result<()> {
    let shown = place.path.display();
    let mut pace = Pace::new();
    let compiling = Compiling::read(place, &mut |lines| {
        pace.tell(|| format!("{shown}: {lines} lines are read"));
    });
    let compiling = compiling.map_err(|why| anyhow!(why))?;
    let (entries, expressions) = compiling.counts();
    if let Some(days) = compiling.age(SystemTime::now()).filter(|days| *days > OLD) {
        say(format_args!("warning: {shown} is {days} days old by its own word: go through it"));
    }
    pace.tell(|| format!("{shown}: {entries} entries are put in order"));
    let written = compiling.write(&mut |done| {
        pace.tell(|| format!("{shown}: {done} of {expressions} expressions are made"));
    });
    let (path, warnings) = written.map_err(|why| anyhow!(why))?;
    warnings.iter().take(WARNINGS).for_each(|warning| say(format_args!("warning: {warning}")));
    if warnings.len() > WARNINGS {
        let more = warnings.len() - WARNINGS;
        say(format_args!("warning: {shown}: {more} more entries like these"));
    }
    let _ = terminal::print(&format!("{} is written: {entries} entries\n", path.display()));
    Ok(())
}
