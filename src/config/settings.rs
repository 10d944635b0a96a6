//! What a session is run with.

use std::path::Path;
use std::time::Duration;

use super::Discord;
use super::dns::{self, Dns, Resolver};
use super::document::Document;
use super::keys::{BadKey, Keys, ListFiles};
use super::sandbox::SandboxSettings;
use super::tls::TlsSettings;
use super::trace::Traces;
use crate::balancer::Balancers;
use crate::limits;
use crate::proxy::Version;
use crate::upstream::{Upstream, Upstreams};

/// The state directory, if none is named.
pub const STATE: &str = "/var/lib/smtp-wrapper";

/// Where log lines go (`to` of `[log]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTo {
    /// The journal when fd 2 leads there, else syslog.
    #[default]
    Auto,
    /// fd 2, whatever it is, unless it is the client's socket.
    Stderr,
    /// The syslog socket of the system.
    Syslog,
    /// The syslog socket at this path.
    SyslogAt(&'static str),
    /// Nowhere.
    Nowhere,
}

impl LogTo {
    /// Reads it.
    ///
    /// # Errors
    /// Says what it may be.
    pub fn parse(text: &'static str) -> Result<LogTo, String> {
        Ok(match (text, text.strip_prefix("syslog:")) {
            ("auto", _) => LogTo::Auto,
            ("stderr", _) => LogTo::Stderr,
            ("syslog", _) => LogTo::Syslog,
            ("none", _) => LogTo::Nowhere,
            (_, Some(path)) if path.starts_with('/') => LogTo::SyslogAt(path),
            _ => return Err("must be auto, stderr, syslog, syslog:/path or none".to_owned()),
        })
    }
}

/// How log lines look (`style` of `[log]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Our own.
    #[default]
    Native,
    /// As Postfix's smtpd logs.
    Postfix,
    /// As the original program logged.
    Original,
    /// JSON.
    Json,
}

/// The words for it.
pub(crate) const STYLES: &[(&str, Style)] = &[
    ("native", Style::Native),
    ("postfix", Style::Postfix),
    ("original", Style::Original),
    ("json", Style::Json),
];

/// When a refusal of the peer is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectAt {
    /// At RCPT.
    Rcpt,
    /// As soon as it is found.
    Connect,
}

/// The words for it.
pub(crate) const REJECT_AT: &[(&str, RejectAt)] =
    &[("rcpt", RejectAt::Rcpt), ("connect", RejectAt::Connect)];

/// Whose replies are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Ours.
    Own,
    /// The original program's.
    Original,
}

/// The words for it.
pub(crate) const PROFILES: &[(&str, Profile)] =
    &[("none", Profile::Own), ("original", Profile::Original)];

/// How the MTA learns who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Not at all: it sees us.
    None,
    /// By Postfix's XCLIENT.
    Xclient,
    /// By a PROXY header.
    Proxy(Version),
}

/// The words for it.
pub(crate) const IDENTITIES: &[(&str, Identity)] = &[
    ("none", Identity::None),
    ("xclient", Identity::Xclient),
    ("proxy-v1", Identity::Proxy(Version::One)),
    ("proxy-v2", Identity::Proxy(Version::Two)),
];

/// Filters asked for by options of the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginalFilters {
    /// `-if`.
    pub ip_filter: Option<&'static str>,
    /// `-f`.
    pub contents_filter: Option<&'static str>,
    /// `-i`.
    pub interval: Option<Duration>,
    /// `-d` was given.
    pub delay: bool,
    /// `-nsc`.
    pub talkers_pass: bool,
}

/// What a session is run with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The MTAs behind.
    pub upstream: Upstreams,
    /// How they learn who the client is.
    pub identity: Identity,
    /// The balancers whose connections begin with a PROXY header.
    pub proxy_from: Option<Box<Balancers>>,
    /// One limit for each wait; `None`: the table of RFC 5321.
    pub time_limit: Option<Duration>,
    /// Where log lines go.
    pub log: LogTo,
    /// How they look.
    pub style: Style,
    /// Whose sessions are traced.
    pub trace: Option<Box<Traces>>,
    /// The directory of what sessions share.
    pub state: &'static Path,
    /// How long the greeting is delayed.
    pub greet_delay: Duration,
    /// When refusals of the peer are spoken.
    pub reject_at: RejectAt,
    /// Our name, for a client that is held; `None`: the system's.
    pub hostname: Option<&'static str>,
    /// Postmaster can be reached by clients that are held.
    pub postmaster: bool,
    /// AUTH at the MTA lifts refusals of the peer.
    pub auth_lifts: bool,
    /// AUTH is offered in clear text though the session could be encrypted.
    pub auth_in_clear: bool,
    /// Whose replies are given.
    pub profile: Profile,
    /// Clients in the tarpit at once.
    pub tarpit_at_once: u32,
    /// Who is asked for names; `None`: all as without the table.
    pub dns: Option<Box<Dns>>,
    /// How connections are encrypted; `None`: all as without the table.
    pub tls: Option<Box<TlsSettings>>,
    /// What a session gives up; `None`: all as without the table.
    pub sandbox: Option<Box<SandboxSettings>>,
    /// The filters that run without a configuration judge local addresses too.
    pub judge_local: bool,
    /// Filters asked for by options of the original.
    pub original: OriginalFilters,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            upstream: Upstreams::default(),
            identity: Identity::None,
            proxy_from: None,
            time_limit: None,
            log: LogTo::Auto,
            style: Style::Native,
            trace: None,
            state: Path::new(STATE),
            greet_delay: Duration::ZERO,
            reject_at: RejectAt::Rcpt,
            hostname: None,
            postmaster: true,
            auth_lifts: false,
            auth_in_clear: false,
            profile: Profile::Own,
            tarpit_at_once: limits::TARPIT_AT_ONCE,
            dns: None,
            tls: None,
            sandbox: None,
            judge_local: false,
            original: OriginalFilters::default(),
        }
    }
}

impl Settings {
    /// Takes over what the configuration says; its filters are not looked at.
    ///
    /// # Errors
    /// The first key that is wrong, and its table.
    pub(crate) fn read(
        &mut self,
        document: &Document,
        files: &ListFiles,
    ) -> Result<(), (&'static str, BadKey)> {
        for table in document.tables.iter().filter(|table| !table.repeated) {
            // Most files begin with a table.
            if table.entries.is_empty() && table.name.is_empty() {
                continue;
            }
            let keys = Keys::new(table, files);
            let read = match table.name {
                "" => self.read_head(&keys),
                "upstream" => self.read_upstream(&keys),
                "session" => self.read_session(&keys),
                "log" => self.read_log(&keys),
                "tarpit" => self.read_tarpit(&keys),
                "dns" => self.read_dns(&keys),
                "tls" => TlsSettings::read(&keys).map(|tls| self.tls = Some(Box::new(tls))),
                "sandbox" => {
                    SandboxSettings::read(&keys).map(|read| self.sandbox = Some(Box::new(read)))
                }
                _ => Ok(()),
            };
            read.map_err(|bad| (table.name, bad))?;
        }
        Ok(())
    }

    #[inline(never)] // Not in every session.
    fn read_head(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        self.profile = keys.choice("profile", PROFILES)?.unwrap_or(self.profile);
        if let Some(state) = keys.text("state")? {
            self.state = directory(state).map_err(|what| keys.wrong("state", what))?;
        }
        Ok(())
    }

    #[inline(never)] // Not in every session.
    fn read_upstream(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        if let Some(addresses) = keys.one_or_more("address")? {
            self.upstream =
                Upstreams::read(&addresses).map_err(|what| keys.wrong("address", what))?;
        }
        self.identity = keys.choice("identity", IDENTITIES)?.unwrap_or(self.identity);
        Ok(())
    }

    /// Do the settings go together, wherever each is from?
    ///
    /// # Errors
    /// Says what does not.
    pub(super) fn agree(&self) -> Result<(), Box<Discord>> {
        let asks = self.identity != Identity::None;
        if asks && self.upstream.iter().all(Upstream::is_program) {
            let what = "identity is for an MTA that is connected: a program that is started \
                        (exec:) finds the client in its environment";
            return Err(Discord::new("upstream", "identity", what));
        }
        self.agree_on_auth()
            .map_err(|what| Discord::new("session", "auth_lifts", &format!("auth_lifts {what}")))?;
        self.sandbox.as_ref().map_or(Ok(()), |sandbox| sandbox.agree())?;
        self.tls.as_ref().map_or(Ok(()), |tls| tls.agree())
    }

    fn agree_on_auth(&self) -> Result<(), &'static str> {
        match self.auth_lifts && self.reject_at == RejectAt::Connect {
            true => Err("cannot be, as reject_at = \"connect\" refuses before AUTH"),
            false => Ok(()),
        }
    }

    #[inline(never)] // Not in every session.
    fn read_session(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        self.greet_delay = keys.time("greet_delay")?.unwrap_or(self.greet_delay);
        self.reject_at = keys.choice("reject_at", REJECT_AT)?.unwrap_or(self.reject_at);
        if let Some(limit) = keys.time("time_limit")? {
            self.time_limit = Some(limit);
            if limit.is_zero() {
                return Err(keys.wrong("time_limit", "must be above 0"));
            }
        }
        if let Some(name) = keys.text("hostname")? {
            self.hostname = Some(hostname(name).map_err(|what| keys.wrong("hostname", what))?);
        }
        let postmaster = keys.choice("postmaster", &[("accept", true), ("judge", false)])?;
        self.postmaster = postmaster.unwrap_or(self.postmaster);
        self.auth_in_clear |= keys.flag("auth_in_clear")?;
        if keys.flag("auth_lifts")? {
            self.auth_lifts = true;
            self.agree_on_auth().map_err(|what| keys.wrong("auth_lifts", what))?;
        }
        if let Some(balancers) = keys.texts("proxy_from")? {
            let balancers =
                Balancers::read(balancers).map_err(|what| keys.wrong("proxy_from", what))?;
            self.proxy_from = Some(Box::new(balancers));
        }
        Ok(())
    }

    fn read_log(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        if let Some(to) = keys.text("to")? {
            self.log = LogTo::parse(to).map_err(|what| keys.wrong("to", what))?;
        }
        self.style = keys.choice("style", STYLES)?.unwrap_or(self.style);
        match keys.has("trace_to") || keys.has("trace") {
            true => self.read_trace(keys),
            false => Ok(()),
        }
    }

    #[inline(never)] // Not in every session.
    fn read_trace(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        let place = keys.text("trace_to")?.map_or(Ok(None), Traces::place);
        let place = place.map_err(|what| keys.wrong("trace_to", what))?;
        if let Some(entries) = keys.texts("trace")? {
            let mut traces = Traces::read(&entries).map_err(|what| keys.wrong("trace", what))?;
            traces.directory = place;
            self.trace = Some(Box::new(traces));
        }
        Ok(())
    }

    fn read_dns(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        self.dns = Some(Box::new(Dns::read(keys)?));
        Ok(())
    }

    /// Without a file the S25R filter runs; who comes from the original brings
    /// filters of his own.
    pub(super) fn has_usual_filters(&self) -> bool {
        let asked = &self.original;
        self.profile == Profile::Own && asked.ip_filter.is_none() && asked.contents_filter.is_none()
    }

    /// This name server is asked.
    ///
    /// # Errors
    /// Says what it may be.
    pub(crate) fn ask_server(&mut self, server: &'static str) -> Result<(), String> {
        let named = vec![dns::server(server).ok_or(dns::WANTS_SERVER)?];
        self.dns = Some(Box::new(Dns { named, resolver: Resolver::Stub, ..self.dns().clone() }));
        Ok(())
    }

    /// Who is asked for names.
    pub(crate) fn dns(&self) -> &Dns {
        self.dns.as_deref().unwrap_or(&dns::USUAL)
    }

    #[inline(never)] // Not in every session.
    fn read_tarpit(&mut self, keys: &Keys<'_>) -> Result<(), BadKey> {
        let most = keys.number("at_once", 0, 100_000)?;
        self.tarpit_at_once = most.unwrap_or(self.tarpit_at_once);
        Ok(())
    }
}

/// An absolute path.
pub(crate) fn directory(text: &'static str) -> Result<&'static Path, String> {
    match text.starts_with('/') && !text.contains('\0') {
        true => Ok(Path::new(text)),
        false => Err("must be a path that begins with a slash".to_owned()),
    }
}

/// A name to speak under: a domain or an address literal (RFC 5321 4.1.3).
pub(crate) fn hostname(text: &'static str) -> Result<&'static str, String> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    match !text.is_empty() && text.len() <= 255 && text.bytes().all(sound) {
        true => Ok(text),
        false => Err("must be a host name as in \"mx.example.org\"".to_owned()),
    }
}
