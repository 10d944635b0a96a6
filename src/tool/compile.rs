//! `smtp-wrapper compile`: reads a configuration beforehand, so that sessions
//! need not.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::Invocation;
use crate::config::{self, Source, compiled};
use crate::{exit, terminal};

/// Writes the compiled form of the file that is named, or else of the one that
/// sessions read. A mistake in it is told, and nothing is written.
///
/// # Errors
/// The first mistake, or why the file cannot be written.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<ExitCode> {
    let source = match asked.file {
        Some(path) => Source::Named(path),
        None => asked.source,
    };
    // As a session reads it, so that everything is looked at.
    config::load(source, |_| Ok(()))?;
    let read = config::document(source, false)?.context("there is no configuration to compile")?;
    let written = compiled::write(&read.document, Path::new(read.path), &read.stat)
        .with_context(|| format!("cannot write the compiled form of {}", read.path))?;
    let _ = terminal::print(&format!("{} is written\n", written.display()));
    Ok(ExitCode::from(exit::OK))
}
