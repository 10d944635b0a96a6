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
mod show;
mod spread;
mod table;
mod tally;
mod text;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cli::Invocation;
use crate::tool::logs::{Counts, Input, Logs, Progress, Style};
use crate::tool::notes::say;
use crate::{dates, exit, terminal};

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
}

/// Reads the logs and reports; the exit status says whether all could be read.
///
/// # Errors
/// A log that cannot be opened, a page that cannot be written.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<ExitCode> {
    let wanted = asked.report();
    if asked.files.is_empty() {
        bail!("which log? smtp-wrapper report FILE…, or - for standard input");
    }
    let report = read(&asked.files, &wanted)?;
    if let Some(file) = wanted.html {
        fs::write(file, html::page(&report)).with_context(|| file.to_owned())?;
    }
    let text = match wanted.allow {
        true => listed::list(&report.proposals),
        false => text::text(&report),
    };
    let _ = terminal::print(&text);
    for what in &report.amiss {
        say(format_args!("{what}"));
    }
    let sound = report.amiss.is_empty() && report.counts.known() > 0;
    Ok(ExitCode::from(if sound { exit::OK } else { exit::FOUND }))
}

fn read(files: &[&str], wanted: &Wanted) -> anyhow::Result<Report> {
    // All are opened before one is read: a mistake is told at once. The older one is first,
    // in whatever order a shell put `mail.log*`.
    let inputs = files.iter().map(|file| Input::open(file));
    let mut inputs = inputs.collect::<anyhow::Result<Vec<_>>>()?;
    inputs.sort_by_key(|input| input.written);
    let mut progress = Progress::of(&inputs);
    let (mut logs, mut tally, mut amiss) = (Logs::default(), Tally::default(), Vec::new());
    for input in inputs {
        let (name, part) = (input.name.clone(), input.read.clone());
        let outcome = logs.read(input, &mut |octets| progress.tell(&part, octets), &mut |entry| {
            let facts = Facts::of(entry);
            if wanted.covers(facts.time) {
                tally.add(&facts);
            }
        });
        if let Err(error) = outcome {
            amiss.push(format!("{}: read only in part: {error}", show::text(name.as_bytes())));
        }
        progress.next(&part, logs.counts.octets);
    }
    if logs.counts.known() == 0 {
        amiss.push("no line is known: is it the log of smtp-wrapper?".to_owned());
    }
    let proposals = Proposals::new(&tally.ledger, tally.last);
    Ok(Report { tally, proposals, counts: logs.counts, amiss })
}

/// How many lines there are of each style.
fn styles(counts: &Counts) -> String {
    let styles = Style::ALL.iter().zip(counts.of_style).filter(|(_, count)| *count > 0);
    let each: Vec<String> =
        styles.map(|((_, name), count)| format!("{name} {}", show::number(count))).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
