//! smtp-wrapper: one fresh process for each SMTP connection, between the client
//! and the mail server (the MTA) that stands behind.
//!
//! From accept to exit: a supervisor (inetd, systemd, `listen`) accepts and
//! execs us with the client's socket as fd 0. [`run`] reads the command line
//! ([`cli`]), finds out who the client is ([`activation`]) and runs a
//! [`session`]: it asks the [`dialogue`] for the next step, does it on the
//! sockets ([`io`]), and tells the dialogue what came of it. The dialogue does
//! no I/O; it is made of the wire's pure functions in [`smtp`]. When it says
//! close, the session logs its line and the process ends.
//!
//! ```text
//!  client ──fd 0──▶ io ──octets──▶ dialogue ──octets──▶ io ──tcp──▶ MTA
//!         ◀────────────────────── (smtp: line, command, reply, data) ◀──
//! ```
//!
//! Dependencies point one way: `session` and the tools → `dialogue` → `smtp`.
//! The only unsafe code is in [`sys`], the only framing of lines in
//! [`smtp::line`], every limit in [`limits`], every reply of ours in
//! [`smtp::standing`].

pub mod activation;
pub mod cli;
pub mod crash;
pub mod dialogue;
pub mod exit;
pub mod io;
pub mod limits;
pub mod log;
pub mod session;
pub mod smtp;
pub mod status;
pub mod sys;
pub mod terminal;
pub mod tool;
pub mod upstream;

use std::ffi::OsString;
use std::process::ExitCode;

use activation::NoClient;
use cli::{LogTo, Mode, Settings, UsageError};
use log::{Level, Log};
use session::Session;
use smtp::standing::{self, Standing};

/// The program, given its arguments without its name.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match cli::parse(args) {
        Ok((Mode::Session, settings)) => serve(settings),
        Ok((Mode::Help, _)) => terminal::print(&cli::help()),
        Ok((Mode::Version, _)) => {
            terminal::print(concat!("smtp-wrapper ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Ok((Mode::Listen, settings)) => terminal::end(tool::listen::run(&settings)),
        Ok((Mode::Try, settings)) => terminal::end(tool::try_it::run(&settings)),
        Err(error) => refuse_to_start(&error),
    }
}

/// One session on fd 0.
fn serve(settings: Settings) -> ExitCode {
    // The process serves one session and ends: they live as long as it does.
    let settings: &'static Settings = Box::leak(Box::new(settings));
    crash::install(&settings.log);
    let mut log = Log::new(&settings.log);
    if !log.is_stderr() {
        activation::leave_stderr();
    }
    match activation::client() {
        Ok(client) => Session::new(settings, client, log).run(),
        Err(NoClient::Gone) => {
            log.line(
                Level::Info,
                format!("v=1 session=end end=client-left ({})", NoClient::Gone).as_bytes(),
            );
            ExitCode::from(exit::OK)
        }
        // Here fd 1 is the terminal too, and fd 2 leads nowhere any more.
        Err(NoClient::Terminal) => {
            let _ = terminal::print(&format!("smtp-wrapper: {}\n", NoClient::Terminal));
            ExitCode::from(exit::CONFIGURATION)
        }
        Err(none) => {
            let rule = standing::UNKNOWN_PEER.rule;
            log.line(Level::Error, format!("v=1 session=none rule={rule} {none}").as_bytes());
            turn_away(&standing::UNKNOWN_PEER)
        }
    }
}

/// The command line is wrong. Whoever typed it is told; a client is told to
/// come back.
fn refuse_to_start(error: &UsageError) -> ExitCode {
    if rustix::net::getpeername(rustix::stdio::stdin()).is_err() {
        return terminal::complain(error);
    }
    let mut log = Log::new(&LogTo::Auto);
    if !log.is_stderr() {
        activation::leave_stderr();
    }
    let rule = standing::BAD_CONFIGURATION.rule;
    log.line(Level::Error, format!("v=1 session=none rule={rule} {error}").as_bytes());
    turn_away(&standing::BAD_CONFIGURATION)
}

fn turn_away(reply: &Standing) -> ExitCode {
    let mut wire = Vec::new();
    reply.encode(&mut wire);
    crash::say(&wire);
    ExitCode::from(exit::CONFIGURATION)
}
