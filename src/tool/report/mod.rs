//! `smtp-wrapper report`: what filters did by the log, and who among the refused is a mail
//! server: the practice of S25R as one command.
//!
//! A log of any size is read once ([`crate::tool::logs`]), in bounded memory: `tally`
//! counts everything, `ledger` remembers who was refused for now and what they did then,
//! `judge` and `fold` make entries for an allow list of that. `text` and `html` show it.
//!
//! It changes nothing, asks nobody, and takes nothing in a log for true but what is
//! counted: what it proposes is for a person to read.

mod chart;
mod delays;
mod facts;
mod fold;
mod group;
mod html;
mod judge;
mod ledger;
mod listed;
mod names;
mod pool;
mod show;
mod spread;
mod suffixes;
mod table;
mod tally;
mod text;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, bail};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::cli::Invocation;
use crate::tool::logs::{Counts, Input, Logs, Progress, Style};
use crate::tool::notes::say;
use crate::{dates, exit, file, terminal};

use facts::Facts;
use fold::Proposals;
use tally::Tally;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The file that gets the report as a page.
    pub(crate) html: Option<&'static str>,
    /// Nothing but the proposed entries.
    pub(crate) allow: bool,
    /// The first and the last day, counted from 1970-01-01.
    pub(crate) since: Option<u32>,
    /// See `since`.
    pub(crate) until: Option<u32>,
}

impl Wanted {
    /// Reads a day of an option.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn day(value: &str) -> Result<u32, String> {
        let day = dates::day(value).and_then(|day| u32::try_from(day).ok());
        day.ok_or_else(|| "must be a day, as 2026-11-24".to_owned())
    }

    fn covers(&self, time: Option<u32>) -> bool {
        let Some(day) = time.map(|time| time / 86_400) else { return true };
        self.since.is_none_or(|since| day >= since) && self.until.is_none_or(|until| day <= until)
    }
}

/// All that is told.
struct Report {
    tally: Tally,
    proposals: Proposals,
    counts: Counts,
    /// Files that could not be read to their end.
    amiss: Vec<String>,
    /// Lines of times that have not come yet.
    early: u64,
}

/// Reads the logs and reports; the exit status says whether all could be read.
///
/// # Errors
/// A log that cannot be opened, a page that cannot be written.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    let wanted = asked.report();
    if asked.files.is_empty() {
        bail!("which log? smtp-wrapper report FILE…, or - for standard input");
    }
    if wanted.since.zip(wanted.until).is_some_and(|(since, until)| since > until) {
        bail!("--since is later than --until");
    }
    let report = read(&asked.files, &wanted)?;
    if let Some(file) = wanted.html {
        put(Path::new(file), &html::page(&report)).with_context(|| file.to_owned())?;
    }
    let text = match wanted.allow {
        true => listed::list(&report.proposals),
        false => text::text(&report),
    };
    terminal::write(&text).context("standard output")?;
    for what in &report.amiss {
        say(format_args!("{what}"));
    }
    let sound = report.amiss.is_empty() && report.counts.known() > 0;
    Ok(if sound { exit::OK } else { exit::FOUND })
}

/// Writes the page: all of it is there, or what was there before. Whoever else may write
/// to the folder cannot choose another place for it.
fn put(path: &Path, page: &str) -> anyhow::Result<()> {
    let there = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => None,
        stat => Some(stat?),
    };
    let stat = match (there, path.parent().filter(|folder| !folder.as_os_str().is_empty())) {
        (Some(stat), _) => stat,
        // Nobody reads it who may not read the folder.
        (None, folder) => rustix::fs::stat(folder.unwrap_or(Path::new(".")))?,
    };
    match there.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Some(FileType::Symlink) => bail!("it is a symbolic link"),
        None | Some(FileType::RegularFile) => file::replace(path, &stat, &[page.as_bytes()])?,
        // A pipe, or a device.
        Some(_) => fs::write(path, page)?,
    }
    Ok(())
}

fn read(files: &[&str], wanted: &Wanted) -> anyhow::Result<Report> {
    // All are opened before one is read: a mistake is told at once. The older one is first,
    // in whatever order a shell put `mail.log*`.
    let inputs = files.iter().map(|file| Input::open(file));
    let mut inputs = inputs.collect::<anyhow::Result<Vec<_>>>()?;
    inputs.sort_by_key(|input| input.written);
    let mut progress = Progress::of(&inputs);
    let (mut logs, mut tally, mut amiss) = (Logs::default(), Tally::default(), Vec::new());
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // One day for clocks and zones.
    let end = u32::try_from(since_1970.as_secs() + 86_400).unwrap_or(u32::MAX);
    let (mut early, mut covered) = (0, 0_u64);
    for input in inputs {
        let (name, part) = (input.name.clone(), input.read.clone());
        let outcome = logs.read(input, &mut |octets| progress.tell(&part, octets), &mut |entry| {
            let facts = Facts::of(entry);
            if facts.time.is_some_and(|time| time > end) {
                early += 1;
            } else if wanted.covers(facts.time) {
                covered += 1;
                tally.add(&facts);
            }
        });
        if let Err(error) = outcome {
            amiss.push(format!("{}: read only in part: {error}", show::text(name.as_bytes())));
        }
        progress.next(&part, logs.counts.octets);
    }
    if logs.counts.known() == 0 {
        amiss.push(
            "no line is known: is it the log of smtp-wrapper? Lines of the styles postfix and original are known only \
             with the program before them, as a syslogd or journalctl -o export has it"
                .to_owned(),
        );
    } else if covered == 0 {
        amiss.push("no line is of these days".to_owned());
    }
    let proposals = Proposals::new(&tally.ledger, tally.last);
    Ok(Report { tally, proposals, counts: logs.counts, amiss, early })
}

/// How many lines there are of each style.
fn styles(counts: &Counts) -> String {
    let styles = Style::ALL.iter().zip(counts.of_style).filter(|(_, count)| *count > 0);
    let each: Vec<String> =
        styles.map(|((_, name), count)| format!("{name} {}", show::number(count))).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
