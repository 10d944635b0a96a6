//! `smtp-wrapper import KIND WHAT… --into DIR`: what another program is told, as lists
//! and a configuration, in a directory that is made for it.
//!
//! What is carried gives the verdicts that it gave. What cannot be is said, with its
//! place and what to do, and stands in the configuration as comments; nothing is
//! guessed.

mod access;
mod action;
mod made;
mod original;
mod pattern;
mod plain;
mod postfix;
mod quoted;
mod rblsmtpd;
mod recipients;
mod source;

use anyhow::{Context, anyhow, bail};

use crate::cli::Invocation;
use crate::{exit, terminal};
use made::Made;

/// Imports, and tells what of it could not be carried.
///
/// # Errors
/// Those of the command line, of reading what is imported and of writing what is made.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    const KINDS: &str = "smtp_wrapper DIR, rblsmtpd ARGUMENTS, postscreen FILE… or \
                         postfix-access check_client_access TYPE:FILE …";
    let Some((kind, words)) = asked.files.split_first() else {
        bail!("import what? {KINDS}");
    };
    let into = asked.desk().into.ok_or_else(|| anyhow!("where to? --into DIR is missing"))?;
    // An argument may hold several words, as in a script.
    let parted = || words.iter().flat_map(|word| word.split([' ', '\t', '\n', ','])).collect();
    let made: Made = match *kind {
        _ if words.is_empty() => bail!("{kind} what? {KINDS}"),
        "smtp_wrapper" => original::import(words)?,
        "rblsmtpd" => rblsmtpd::import(words)?,
        "postscreen" => postfix::postscreen(words)?,
        "postfix-access" => postfix::restrictions(parted())?,
        _ => bail!("{kind:?} is not known: {KINDS}"),
    };
    let loads = made.write(into)?;
    terminal::write(&made.report(into)).context("standard output")?;
    loads?;
    Ok(match made.is_whole() {
        true => exit::OK,
        false => exit::NOT_CARRIED,
    })
}
