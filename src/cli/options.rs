//! Every option, in one table that the parser, `--help` and the tests walk.

use std::num::NonZeroU16;
use std::time::Duration;

use super::{Check, Given, Listen, Mode};
use crate::config::settings::{self, LogTo, Settings};
use crate::config::{self, tls};
use crate::host::Iprev;

/// Who understands an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A session; the tools take it too and hand it on.
    Session,
    /// `listen` alone.
    Listen,
    /// `explain` alone.
    Explain,
    /// `check` alone.
    Check,
}

impl Scope {
    /// The mode whose option it is; a session's are everybody's.
    pub(super) fn mode(self) -> (Mode, &'static str) {
        match self {
            Scope::Session => (Mode::Session, ""),
            Scope::Listen => (Mode::Listen, "listen"),
            Scope::Explain => (Mode::Explain, "explain"),
            Scope::Check => (Mode::Check, "check"),
        }
    }
}

/// One option.
pub struct Opt {
    /// Its spellings; the first one is the one we write.
    pub names: &'static [&'static str],
    /// What its value is called in the help; empty if it takes none.
    pub value: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Who understands it.
    pub scope: Scope,
    pub(super) set: Set,
}

/// What an option does with its value.
pub(super) enum Set {
    Session(fn(&mut Settings, &'static str) -> Result<(), String>),
    Listen(fn(&mut Listen, &'static str) -> Result<(), String>),
    Explain(fn(&mut Given, &'static str) -> Result<(), String>),
    Check(fn(&mut Check, &'static str)),
    /// Names the configuration's file.
    Source,
}

/// Every option there is. Those with one dash and several letters are spelled as
/// in the original.
pub const OPTIONS: &[Opt] = &[
    Opt {
        names: &["--config"],
        value: "FILE",
        help: "configuration; none: no filters; usual: as without one (/etc/smtp-wrapper/smtp-wrapper.toml)",
        scope: Scope::Session,
        set: Set::Source,
    },
    Opt {
        names: &["--upstream"],
        value: "ADDRESS",
        help: "the MTA: HOST:PORT, unix:/path or exec:/path; given again, others to try (127.0.0.1:8025)",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.upstream.option(v)),
    },
    Opt {
        names: &["-sh"],
        value: "HOST",
        help: "host of the MTA",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.upstream.change_only(|mta| mta.set_host(v))),
    },
    Opt {
        names: &["-sp"],
        value: "PORT",
        help: "port of the MTA",
        scope: Scope::Session,
        set: Set::Session(|s, v| {
            let port: NonZeroU16 = number(v)?;
            s.upstream.change_only(|mta| {
                mta.port = port.get();
                Ok(())
            })
        }),
    },
    Opt {
        names: &["--time-limit", "-t"],
        value: "SEC",
        help: "limit of each read, write and wait (the limits of RFC 5321)",
        scope: Scope::Session,
        set: Set::Session(|s, v| positive(v).map(|t| s.time_limit = Some(t))),
    },
    Opt {
        names: &["--log"],
        value: "WHERE",
        help: "auto, stderr, syslog, syslog:/path/of/socket or none (auto)",
        scope: Scope::Session,
        set: Set::Session(|s, v| LogTo::parse(v).map(|l| s.log = l)),
    },
    Opt {
        names: &["--state"],
        value: "DIR",
        help: "what sessions share (/var/lib/smtp-wrapper)",
        scope: Scope::Session,
        set: Set::Session(|s, v| settings::directory(v).map(|d| s.state = d)),
    },
    Opt {
        names: &["--profile"],
        value: "NAME",
        help: "original: replies as the original program gave them; none (none)",
        scope: Scope::Session,
        set: Set::Session(|s, v| word(v, settings::PROFILES).map(|p| s.profile = p)),
    },
    Opt {
        names: &["--reject-at"],
        value: "STAGE",
        help: "rcpt or connect: when a refusal of the client is spoken (rcpt)",
        scope: Scope::Session,
        set: Set::Session(|s, v| word(v, settings::REJECT_AT).map(|r| s.reject_at = r)),
    },
    Opt {
        names: &["--hostname"],
        value: "NAME",
        help: "our name, for clients that are held until RCPT (the system's)",
        scope: Scope::Session,
        set: Set::Session(|s, v| settings::hostname(v).map(|h| s.hostname = Some(h))),
    },
    Opt {
        names: &["--dns"],
        value: "SERVER",
        help: "name server to ask, ADDRESS or ADDRESS:PORT (those of /etc/resolv.conf)",
        scope: Scope::Session,
        set: Set::Session(Settings::ask_server),
    },
    Opt {
        names: &["--judge-local"],
        value: "",
        help: "without a configuration: judge loopback and private addresses too",
        scope: Scope::Session,
        set: Set::Session(|s, _| {
            s.judge_local = true;
            Ok(())
        }),
    },
    Opt {
        names: &["--identity"],
        value: "NAME",
        help: "how the MTA learns who the client is: xclient, proxy-v1, proxy-v2 or none (none)",
        scope: Scope::Session,
        set: Set::Session(|s, v| word(v, settings::IDENTITIES).map(|i| s.identity = i)),
    },
    Opt {
        names: &["--starttls"],
        value: "WHO",
        help: "terminate: we encrypt; pass: the MTA does; hide: nobody (by what is configured)",
        scope: Scope::Session,
        set: Set::Session(|s, v| word(v, tls::STARTTLS).map(|w| s.tls().starttls = Some(w))),
    },
    Opt {
        names: &["--tls-cert"],
        value: "FILE",
        help: "our certificate, PEM; given again, others by name (none)",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.tls().option(v, false)),
    },
    Opt {
        names: &["--tls-key"],
        value: "FILE",
        help: "its private key, PEM; as often as --tls-cert (in the certificate's file)",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.tls().option(v, true)),
    },
    Opt {
        names: &["--tls-implicit"],
        value: "",
        help: "clients begin with TLS, as on port 465",
        scope: Scope::Session,
        set: Set::Session(|s, _| s.tls().begins()),
    },
    Opt {
        names: &["--greet-delay"],
        value: "SEC",
        help: "delay before the greeting (0)",
        scope: Scope::Session,
        set: Set::Session(|s, v| seconds(v).map(|t| s.greet_delay = t)),
    },
    Opt {
        names: &["-d"],
        value: "SEC",
        help: "the same, and who talks before the greeting is refused",
        scope: Scope::Session,
        set: Set::Session(|s, v| {
            s.original.delay = true;
            seconds(v).map(|t| s.greet_delay = t)
        }),
    },
    Opt {
        names: &["-nsc"],
        value: "",
        help: "with -d: talking before the greeting is no error",
        scope: Scope::Session,
        set: Set::Session(|s, _| {
            s.original.talkers_pass = true;
            Ok(())
        }),
    },
    Opt {
        names: &["-i"],
        value: "SEC",
        help: "least time between two connections of one address",
        scope: Scope::Session,
        set: Set::Session(|s, v| seconds(v).map(|t| s.original.interval = Some(t))),
    },
    Opt {
        names: &["-if"],
        value: "PROGRAM",
        help: "IP filter: asked about the client before the greeting",
        scope: Scope::Session,
        set: Set::Session(|s, v| program(v).map(|p| s.original.ip_filter = Some(p))),
    },
    Opt {
        names: &["-f"],
        value: "PROGRAM",
        help: "contents filter: asked about each message",
        scope: Scope::Session,
        set: Set::Session(|s, v| program(v).map(|p| s.original.contents_filter = Some(p))),
    },
    Opt {
        names: &["-ae"],
        value: "",
        help: "no effect: EHLO is always let through",
        scope: Scope::Session,
        set: Set::Session(|_, _| Ok(())),
    },
    Opt {
        names: &["--max", "-cm"],
        value: "N",
        help: "sessions at once; more are answered 421 (256)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n| l.max = n)),
    },
    Opt {
        names: &["--max-per-address"],
        value: "N",
        help: "sessions at once of one client, an IPv4 address or IPv6 /64 (16)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n| l.max_per_address = n)),
    },
    Opt {
        names: &["--backlog", "-q"],
        value: "N",
        help: "connections the kernel keeps until they are accepted (512)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|n: u16| l.backlog = n.into())),
    },
    Opt {
        names: &["-mh"],
        value: "HOST",
        help: "address to listen on (any)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| {
            l.host = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["-mp"],
        value: "PORT",
        help: "port to listen on (25)",
        scope: Scope::Listen,
        set: Set::Listen(|l, v| number(v).map(|p| l.port = Some(p))),
    },
    Opt {
        names: &["-F"],
        value: "",
        help: "no effect: listen always stays in the foreground",
        scope: Scope::Listen,
        set: Set::Listen(|_, _| Ok(())),
    },
    Opt {
        names: &["--ptr"],
        value: "NAME",
        help: "the client's host name, or none (DNS is asked)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.ptr = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--fcrdns"],
        value: "RESULT",
        help: "pass, fail, permerror or temperror: what comes of looking it up (pass)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| word(v, IPREV).map(|result| e.fcrdns = Some(result))),
    },
    Opt {
        names: &["--helo"],
        value: "NAME",
        help: "what it calls itself (its host name, or its address)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.helo = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--from"],
        value: "ADDRESS",
        help: "the sender (somebody@example.org)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.from = Some(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--to"],
        value: "ADDRESS",
        help: "a recipient; may be given several times (somebody at our name)",
        scope: Scope::Explain,
        set: Set::Explain(|e, v| {
            e.to.push(v);
            Ok(())
        }),
    },
    Opt {
        names: &["--json"],
        value: "",
        help: "what is found as one JSON document",
        scope: Scope::Check,
        set: Set::Check(|c, _| c.json = true),
    },
    Opt {
        names: &["--unit"],
        value: "FILE",
        help: "a unit of systemd to look at (smtp-wrapper*.socket and .service in /etc/systemd/system)",
        scope: Scope::Check,
        set: Set::Check(|c, v| c.units.push(v)),
    },
    Opt {
        names: &["--inetd"],
        value: "FILE",
        help: "a configuration of inetd or xinetd to look at (/etc/inetd.conf)",
        scope: Scope::Check,
        set: Set::Check(|c, v| c.inetds.push(v)),
    },
];

/// Results of looking up a client's host names.
const IPREV: &[(&str, Iprev)] = &[
    ("pass", Iprev::Pass),
    ("fail", Iprev::Fail),
    ("permerror", Iprev::PermError),
    ("temperror", Iprev::TempError),
];

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| "not a number in range".to_owned())
}

/// Seconds, with or without decimals, at most a day.
fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = number(value)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= config::time::LONGEST => Ok(time),
        _ => Err("must be 0 to 86400 seconds".to_owned()),
    }
}

fn positive(value: &str) -> Result<Duration, String> {
    match seconds(value) {
        Ok(time) if time > Duration::ZERO => Ok(time),
        _ => Err("must be above 0 and at most 86400 seconds".to_owned()),
    }
}

/// One of these words.
fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Result<T, String> {
    let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| format!("must be {}", names()))
}

fn program(value: &'static str) -> Result<&'static str, String> {
    match value.starts_with('/') && !value.contains('\0') {
        true => Ok(value),
        false => Err("must be a path that begins with a slash".to_owned()),
    }
}
