//! What the person at the terminal is told.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::exit;

/// Prints a text that was asked for.
#[must_use]
pub(crate) fn print(text: &str) -> ExitCode {
    // `--help | head -1` closes the pipe, and that is all right.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::from(exit::OK)
}

/// Says what is wrong with how we were started.
#[must_use]
pub(crate) fn complain(what: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "smtp-wrapper: {what}");
    ExitCode::from(exit::CONFIGURATION)
}

/// Ends a tool: its exit status, or why it could not go on.
#[must_use]
pub(crate) fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| complain(&format_args!("{error:#}")))
}

/// Octets from outside, for a terminal.
#[must_use]
pub(crate) fn printable(octets: &[u8]) -> String {
    let shown = |octet: &u8| match octet {
        b' '..=b'~' => char::from(*octet).to_string(),
        octet => format!("\\x{octet:02x}"),
    };
    octets.iter().map(shown).collect()
}
