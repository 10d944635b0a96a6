//! What the person at the terminal is told.

use std::fmt::Display;
use std::io::{self, Write};

use crate::exit;

/// Prints a text that was asked for; complains if that cannot be.
#[must_use]
pub(crate) fn print(text: &str) -> exit::Code {
    match write(text) {
        Ok(()) => exit::OK,
        Err(error) => complain(&format_args!("standard output: {error}")),
    }
}

/// Writes a text to standard output.
///
/// # Errors
/// Not all of it is written.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `--help | head -1` closes the pipe, and that is all right.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Says what is wrong with how we were started.
#[must_use]
pub(crate) fn complain(what: &dyn Display) -> exit::Code {
    let _ = writeln!(io::stderr(), "smtp-wrapper: {what}");
    exit::CONFIGURATION
}

/// Ends a tool: its exit status, or why it could not go on.
#[must_use]
pub(crate) fn end(outcome: anyhow::Result<exit::Code>) -> exit::Code {
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
