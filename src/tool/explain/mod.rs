//! `smtp-wrapper explain IP`: what a session with this client would come to, and why,
//! step by step.
//!
//! Nothing is judged a second time here: [`super::play`] runs a session's own dialogue
//! and filters, with live DNS or with facts that are given.

mod report;

use std::net::IpAddr;

use anyhow::{Context, anyhow};

use super::play::{Room, Script, StateCopy};
use crate::activation::Client;
use crate::cli::Invocation;
use crate::config::{Loaded, LogTo, Source, Style};
use crate::exit;
use crate::filter;
use crate::host::{Host, Iprev};
use crate::log::Log;
use crate::stage::Stage;
use crate::sys::Waiter;
use crate::terminal;
use report::Report;

/// What is given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Its host name; `none`.
    pub ptr: Option<&'static str>,
    /// What comes of looking it up.
    pub fcrdns: Option<Iprev>,
    /// What it calls itself.
    pub helo: Option<&'static str>,
    /// The reverse-path.
    pub from: Option<&'static str>,
    /// The forward-paths.
    pub to: Vec<&'static str>,
}

impl Given {
    /// The host names that are given, if any are.
    fn host(&self) -> Option<Host> {
        let name = self.ptr.filter(|name| *name != "none");
        if self.ptr.is_none() && self.fcrdns.is_none() {
            return None;
        }
        let host = Host::given(name.map(str::as_bytes));
        let iprev = self.fcrdns.unwrap_or(host.iprev);
        let confirmed = if iprev == Iprev::Pass { host.confirmed } else { Vec::new() };
        Some(Host { iprev, confirmed, ..host })
    }
}

/// Plays the session and tells of it; the exit status says the verdict.
///
/// # Errors
/// The configuration's, and those of the command line.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    let given = asked.explain.as_deref().and_then(|given| Some((given, given.ip?)));
    let (given, ip) = given.ok_or_else(|| anyhow!("which client? smtp-wrapper explain IP …"))?;
    let loaded = asked.load()?;
    let name = loaded.settings.our_name();
    let client = Client { ip: ip.to_canonical(), port: 0, is_socket: true };
    let to = match given.to.is_empty() {
        true => vec![format!("somebody@{name}").into_bytes()],
        false => given.to.iter().map(|to| unbracketed(to)).collect(),
    };
    let script = Script {
        client,
        host: given.host(),
        helo: given
            .helo
            .or(given.ptr.filter(|ptr| *ptr != "none"))
            .map_or(literal(ip), str::to_owned)
            .into_bytes(),
        authenticates: false,
        from: given.from.map_or(b"somebody@example.org".to_vec(), unbracketed),
        to,
    };
    let state = StateCopy::of(loaded.settings.state)?;
    let Loaded { settings, mut chain, usual, .. } = loaded;
    if usual && (settings.judge_local || filter::usual_judge(&client)) {
        chain.add_usual(settings.judge_local);
    }
    let line = Log::new((LogTo::Nowhere, Style::Native)).session(&client);
    let session = line.session().to_owned();
    let mut report = Report::new(line);
    report.keeps_messages = chain.stages().has(Stage::Message);
    let mut room = Room {
        settings: &settings,
        chain: &mut chain,
        state: state.path(),
        waiter: &Waiter::new(None),
        session: &session,
        asks: true,
    };
    let played = room.play(&script, &mut report);
    report.finish(&played);
    let source = match asked.source {
        Source::Named(file) => file,
        Source::Nothing => "none, and no filters",
        _ if usual => "none: the usual filters",
        _ => crate::config::FILE,
    };
    let head = format!("client      {}\nsettings    {source}\n", client.ip);
    terminal::write(&(head + &report.text())).context("standard output")?;
    Ok(report.status())
}

/// A path as it stands between brackets.
fn unbracketed(path: &str) -> Vec<u8> {
    let inside = path.strip_prefix('<').and_then(|path| path.strip_suffix('>'));
    inside.unwrap_or(path).as_bytes().to_vec()
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}
