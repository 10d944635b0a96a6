//! smtp-wrapper: one fresh process for each SMTP connection, between the client
//! and the mail server (the MTA) that stands behind.
//!
//! From accept to exit: a supervisor (inetd, systemd, `listen`) accepts and
//! execs us with the client's socket as fd 0. [`run`] reads the command line
//! ([`cli`]) and the configuration ([`config`]), finds out who the client is
//! ([`activation`]), gives up what it does not need ([`sandbox`]) and runs a
//! `session`: it asks the [`dialogue`] for the next step, does it on the
//! sockets (`io`), and tells the dialogue what came of it. The dialogue does
//! no I/O; it is made of the wire's pure functions in [`smtp`]. When it says
//! close, the session logs its line and the process ends.
//!
//! ```text
//!  client ──fd 0──▶ io ──octets──▶ dialogue ──octets──▶ io ──tcp──▶ MTA
//!         ◀────────────────────── (smtp: line, command, reply, data) ◀──
//! ```
//!
//! Dependencies point one way: `session` and the tools → `dialogue` → `smtp`.
//! The only unsafe code is in [`sys`] and, for musl, in `allocator` and `main`;
//! the only framing of a session's lines in [`smtp::line`], every limit of a
//! session in [`limits`], every reply of ours in [`smtp::standing`].

pub mod activation;
#[cfg(target_env = "musl")]
mod allocator;
#[cfg(any(target_env = "musl", test))]
mod arena;
pub mod balancer;
mod child;
pub mod cli;
pub mod config;
pub mod crash;
mod dates;
pub mod dialogue;
pub mod dns;
pub mod encryption;
pub mod exit;
mod file;
pub mod filter;
mod guard;
pub mod host;
mod io;
pub mod limits;
pub mod list;
pub mod log;
pub mod providers;
pub mod proxy;
pub mod s25r;
pub mod sandbox;
mod session;
pub mod smtp;
pub mod spool;
pub mod stage;
pub mod state;
mod status;
pub mod sys;
mod terminal;
pub mod tls;
mod tool;
mod trace;
pub mod upstream;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;

use activation::{Client, NoClient};
use balancer::NoHeader;
use cli::{Invocation, Mode, UsageError};
use config::{Loaded, LogTo, Style};
use log::line::Line;
use log::{Level, Log};
use session::Session;
use smtp::standing::{self, Standing};

/// The program, given its arguments without its name.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> exit::Code {
    let asked = match cli::parse(args, sys::variable(cli::OPTIONS_VARIABLE).map(OsStr::to_owned)) {
        Ok(asked) => asked,
        Err(error) => return refuse_to_start(<(LogTo, Style)>::default(), &error),
    };
    // On an inetd line, a tool would speak to the client.
    if asked.mode != Mode::Session && activation::is_client(rustix::stdio::stdin()) {
        let error = UsageError("fd 0 is a client, which is for a session".to_owned());
        return refuse_to_start(asked.log(), &error);
    }
    match asked.mode {
        Mode::Session => {
            sandbox::close_strays();
            match asked.load() {
                Ok(loaded) => serve(loaded),
                Err(error) => refuse_to_start(asked.log(), &error),
            }
        }
        Mode::Help => terminal::print(&cli::help()),
        Mode::Version => terminal::print(concat!("smtp-wrapper ", env!("CARGO_PKG_VERSION"), "\n")),
        mode => terminal::end(run_tool(mode, &asked)),
    }
}

#[cold]
#[inline(never)]
fn run_tool(mode: Mode, asked: &Invocation) -> anyhow::Result<exit::Code> {
    sys::leave_out_backtraces();
    match mode {
        Mode::Listen => tool::listen::run(asked),
        Mode::Try => tool::try_it::run(asked),
        Mode::Explain => tool::explain::run(asked),
        Mode::Check => tool::check::run(asked),
        Mode::Report => tool::report::run(asked),
        Mode::Replay => tool::replay::run(asked),
        Mode::Import => tool::import::run(asked),
        Mode::Jail => tool::jail::run(asked),
        _ => tool::compile::run(asked),
    }
}

/// One session on fd 0.
fn serve(mut loaded: Loaded) -> exit::Code {
    let to = (loaded.settings.log, loaded.settings.style);
    crash::install(to);
    let mut log = Log::new(to);
    if log.leave_stderr().is_err() {
        return turn_away(&mut log, &standing::INTERNAL, &"fd 2 cannot be pointed elsewhere");
    }
    match activation::client() {
        Ok(client) => {
            if let Err(why) = sandbox::enter(&mut loaded, &client, &mut log) {
                return turn_away(&mut log, &standing::BAD_CONFIGURATION, &why);
            }
            match &loaded.settings.proxy_from {
                None => Session::new(loaded, client, log).run(),
                Some(balancers) => match balancers.client(client) {
                    Ok(client) => Session::new(loaded, client, log).run(),
                    Err(why) => not_introduced(&mut log, &client, &why),
                },
            }
        }
        Err(NoClient::Gone) => {
            no_session(&mut log, Level::Info, "client-left", &NoClient::Gone);
            exit::OK
        }
        // Here fd 1 is the terminal too, and fd 2 leads nowhere any more.
        Err(NoClient::Terminal) => {
            let _ = terminal::print(&format!("smtp-wrapper: {}\n", NoClient::Terminal));
            exit::CONFIGURATION
        }
        Err(why) => turn_away(&mut log, &standing::UNKNOWN_PEER, &why),
    }
}

/// A balancer does not say who its client is. Whoever it is, there is no session
/// with it, and nothing to be said that it would understand.
#[cold]
#[inline(never)]
fn not_introduced(log: &mut Log, client: &Client, why: &NoHeader) -> exit::Code {
    let level = if matches!(why, NoHeader::Looked) { Level::Info } else { Level::Error };
    let mut line = log.session(client);
    line.begin().word(" session=", "none").word(" end=", "no-proxy-header");
    line.outside(" why=", why.to_string().as_bytes());
    log.line(level, &mut line);
    exit::OK
}

/// The command line or the configuration is wrong. Whoever typed it is told; a
/// client is told to come back.
fn refuse_to_start(to: (LogTo, Style), error: &dyn Display) -> exit::Code {
    if let Err(NoClient::Terminal | NoClient::Unknown(_)) = activation::client() {
        return terminal::complain(error);
    }
    let mut log = Log::new(to);
    let _ = log.leave_stderr();
    turn_away(&mut log, &standing::BAD_CONFIGURATION, error)
}

/// Tells the client to come back, and the log why.
#[cold]
#[inline(never)]
fn turn_away(log: &mut Log, reply: &Standing, why: &dyn Display) -> exit::Code {
    no_session(log, Level::Error, reply.rule, why);
    let mut wire = Vec::new();
    reply.encode(&mut wire);
    crash::say(&wire);
    exit::CONFIGURATION
}

/// The log's line of a process that came to no session.
#[cold]
#[inline(never)]
fn no_session(log: &mut Log, level: Level, end: &str, why: &dyn Display) {
    let mut line = Line::without_session();
    line.word(" session=", "none").word(" end=", end).outside(" why=", why.to_string().as_bytes());
    log.line(level, &mut line);
}
