//! Every option, in tables that the parser, `--help` and the tests walk.

mod tools;

use std::num::NonZeroU16;

use super::values::{number, positive, program, seconds, word};
use super::{Check, Desk, Given, Listen, Mode};
use crate::config::settings::{self, LogTo, Settings};
use crate::config::{sandbox, tls};
use crate::tool::report::Wanted;

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
    /// `report` alone.
    Report,
    /// `replay` alone.
    Replay,
    /// `import` alone.
    Import,
}

impl Scope {
    /// The mode whose option it is; a session's are everybody's.
    pub(super) fn mode(self) -> (Mode, &'static str) {
        match self {
            Scope::Session => (Mode::Session, ""),
            Scope::Listen => (Mode::Listen, "listen"),
            Scope::Explain => (Mode::Explain, "explain"),
            Scope::Check => (Mode::Check, "check"),
            Scope::Report => (Mode::Report, "report"),
            Scope::Replay => (Mode::Replay, "replay"),
            Scope::Import => (Mode::Import, "import"),
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
    Report(fn(&mut Wanted, &'static str) -> Result<(), String>),
    Desk(fn(&mut Desk, &'static str) -> Result<(), String>),
    /// Names the configuration's file.
    Source,
}

/// Every option there is. Those with one dash and several letters are spelled as
/// in the original.
pub fn options() -> impl Iterator<Item = &'static Opt> {
    SESSION.iter().chain(tools::TOOLS)
}

/// Those of a session. With a name of its own for the linker (`layout.ld`).
static SESSION: [Opt; 30] = [
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
        names: &["--log-style"],
        value: "STYLE",
        help: "native, postfix, original or json (native)",
        scope: Scope::Session,
        set: Set::Session(|s, v| word(v, settings::STYLES).map(|w| s.style = w)),
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
        names: &["--auth-lifts"],
        value: "",
        help: "AUTH at the MTA lifts refusals of the client",
        scope: Scope::Session,
        set: Set::Session(|s, _| {
            s.auth_lifts = true;
            Ok(())
        }),
    },
    Opt {
        names: &["--auth-in-clear"],
        value: "",
        help: "AUTH is offered in clear text beside STARTTLS, too",
        scope: Scope::Session,
        set: Set::Session(|s, _| {
            s.auth_in_clear = true;
            Ok(())
        }),
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
        names: &["--user"],
        value: "USER",
        help: "whom a session that is started as root becomes: name, name:group or uid:gid (none)",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.sandbox().become_user(v)),
    },
    Opt {
        names: &["--sandbox"],
        value: "MODE",
        help: "auto, off or required: whether the kernel keeps a session from all it does not need (auto)",
        scope: Scope::Session,
        set: Set::Session(|s, v| {
            s.sandbox().mode = word(v, sandbox::CAGES)?;
            Ok(())
        }),
    },
    Opt {
        names: &["--chroot"],
        value: "DIR",
        help: "what its root directory is from then on; goes with --user (none)",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.sandbox().change_root(v)),
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
];
