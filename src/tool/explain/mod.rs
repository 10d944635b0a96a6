//! `smtp-wrapper explain IP`: what a session with this client would come to, and why,
//! step by step.
//!
//! Nothing is judged a second time here: `play` runs a session's own dialogue and
//! filters, with live DNS or with facts that are given.

mod ground;
mod play;
mod report;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use crate::activation::Client;
use crate::cli::Invocation;
use crate::config::{LogTo, Source, Style};
use crate::host::{Host, Iprev};
use crate::log::Log;
use crate::terminal;
use play::{Script, play};

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
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<ExitCode> {
    let given = asked.explain.as_deref().and_then(|given| Some((given, given.ip?)));
    let (given, ip) = given.ok_or_else(|| anyhow!("which client? smtp-wrapper explain IP …"))?;
    let loaded = asked.load()?;
    let name = loaded.settings.our_name();
    let client = Client { ip: ip.to_canonical(), port: 0, is_socket: true };
    let to = match given.to.is_empty() {
        true => vec![format!("somebody@{name}")],
        false => given.to.iter().map(|to| unbracketed(to)).collect(),
    };
    let script = Script {
        client,
        host: given.host(),
        helo: given
            .helo
            .or(given.ptr.filter(|ptr| *ptr != "none"))
            .map_or(literal(ip), str::to_owned),
        from: given.from.map_or("somebody@example.org".to_owned(), unbracketed),
        to,
    };
    let state = Copy::of(loaded.settings.state)?;
    let usual = loaded.usual;
    let log = Log::new((LogTo::Nowhere, Style::Native));
    let path: &'static Path = Box::leak(state.0.clone().into_boxed_path());
    let report = play(loaded, &script, &log, path);
    let source = match asked.source {
        Source::Named(file) => file,
        Source::Nothing => "none, and no filters",
        _ if usual => "none: the usual filters",
        _ => crate::config::FILE,
    };
    let head = format!("client      {}\nsettings    {source}\n", client.ip);
    let _ = terminal::print(&(head + &report.text()));
    Ok(ExitCode::from(report.status()))
}

/// A path as it stands between brackets.
fn unbracketed(path: &str) -> String {
    path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(path).to_owned()
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// A copy of what sessions share, so that nothing is remembered of a client who was
/// not there.
struct Copy(PathBuf);

impl Copy {
    fn of(state: &Path) -> anyhow::Result<Copy> {
        let name = format!("smtp-wrapper-explain.{}", std::process::id());
        let copy = Copy(std::env::temp_dir().join(name));
        fs::create_dir(&copy.0).with_context(|| format!("{}", copy.0.display()))?;
        // What cannot be read is not there for a session of this user either.
        let _ = fs::copy(state.join("intervals"), copy.0.join("intervals"));
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
