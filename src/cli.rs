//! The command line: one table of options that the parser, `--help` and the
//! tests walk.
//!
//! The options of the original program are spelled as they were, with one dash
//! and several letters (`-sh`), which is why no argument library is used: none
//! of the small ones can say that, and a session has no instructions to spare
//! for the large ones.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::upstream::Address;

/// Where log lines go (`--log`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTo {
    /// The journal when fd 2 leads there, else syslog.
    #[default]
    Auto,
    /// fd 2, whatever it is, unless it is the client's socket.
    Stderr,
    /// The syslog socket of the system.
    Syslog,
    /// The syslog socket at this path.
    SyslogAt(String),
    /// Nowhere.
    Nowhere,
}

/// When a refusal of the peer is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectAt {
    /// At RCPT.
    Rcpt,
    /// At once.
    Connect,
}

/// Whose replies are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Ours.
    None,
    /// The original program's.
    Original,
}

/// What was asked for, options filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The MTA behind (`--upstream`, `-sh`, `-sp`).
    pub upstream: Address,
    /// One limit for each read, write and wait (`-t`); `None`: the table of RFC 5321.
    pub time_limit: Option<Duration>,
    /// Where log lines go.
    pub log: LogTo,
    /// The directory of what sessions share.
    pub state: &'static std::path::Path,
    /// Our name, for a client that is held.
    pub hostname: Option<&'static str>,
    /// When refusals of the peer are spoken.
    pub reject_at: RejectAt,
    /// Postmaster can be reached by clients that are held.
    pub postmaster: bool,
    /// Whose replies are given.
    pub profile: Profile,
    /// Clients in the tarpit at once.
    pub tarpit_at_once: u32,
    /// `listen`: sessions at once.
    pub max: usize,
    /// `listen`: sessions at once of one client address.
    pub max_per_address: usize,
    /// `listen`: length of the kernel's queue of connections not yet accepted.
    pub backlog: i32,
    /// `listen`: addresses to listen on, as written.
    pub listen_on: Vec<String>,
    /// The session options as they stood on the command line, for a tool to
    /// hand to the sessions it starts.
    pub session_args: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            upstream: Address::default(),
            time_limit: None,
            log: LogTo::Auto,
            state: std::path::Path::new("/var/lib/smtp-wrapper"),
            hostname: None,
            reject_at: RejectAt::Rcpt,
            postmaster: true,
            profile: Profile::None,
            tarpit_at_once: crate::limits::TARPIT_AT_ONCE,
            max: 256,
            max_per_address: 16,
            backlog: 512,
            listen_on: Vec::new(),
            session_args: Vec::new(),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One session, the client on fd 0.
    Session,
    /// The accept loop.
    Listen,
    /// The trial on the desk.
    Try,
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// Who understands an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A session; the tools take it too and hand it on.
    Session,
    /// `listen` alone.
    Listen,
}

/// One option.
pub struct Opt {
    /// Its spellings; the first one is the one we write.
    pub names: &'static [&'static str],
    /// What its value is called in the help.
    pub value: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Who understands it.
    pub scope: Scope,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// Every option there is.
pub const OPTIONS: &[Opt] = &[
    Opt {
        names: &["--upstream"],
        value: "HOST:PORT",
        help: "the MTA that the session is relayed to (127.0.0.1:8025)",
        scope: Scope::Session,
        set: |s, v| v.parse().map(|a| s.upstream = a),
    },
    Opt {
        names: &["-sh"],
        value: "HOST",
        help: "host of the MTA, as in the original",
        scope: Scope::Session,
        set: |s, v| s.upstream.set_host(v),
    },
    Opt {
        names: &["-sp"],
        value: "PORT",
        help: "port of the MTA, as in the original",
        scope: Scope::Session,
        set: |s, v| number(v).map(|p: NonZeroU16| s.upstream.port = p.get()),
    },
    Opt {
        names: &["--time-limit", "-t"],
        value: "SEC",
        help: "limit of each read, write and wait (the limits of RFC 5321)",
        scope: Scope::Session,
        set: |s, v| seconds(v).map(|t| s.time_limit = Some(t)),
    },
    Opt {
        names: &["--log"],
        value: "WHERE",
        help: "auto, stderr, syslog, syslog:/path/of/socket or none (auto)",
        scope: Scope::Session,
        set: |s, v| log_to(v).map(|l| s.log = l),
    },
    Opt {
        names: &["--max"],
        value: "N",
        help: "sessions at once; more are answered 421 (256)",
        scope: Scope::Listen,
        set: |s, v| number(v).map(|n| s.max = n),
    },
    Opt {
        names: &["--max-per-address"],
        value: "N",
        help: "sessions at once of one client, an IPv4 address or IPv6 /64 (16)",
        scope: Scope::Listen,
        set: |s, v| number(v).map(|n| s.max_per_address = n),
    },
    Opt {
        names: &["--backlog"],
        value: "N",
        help: "connections the kernel keeps until they are accepted (512)",
        scope: Scope::Listen,
        set: |s, v| number(v).map(|n: u16| s.backlog = n.into()),
    },
];

/// What was wrong with the command line; the text names the option.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (smtp-wrapper --help lists the options)", self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments after the program's name.
///
/// # Errors
/// A [`UsageError`] whose text names the argument at fault.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(Mode, Settings), UsageError> {
    let mut settings = Settings::default();
    let mut mode = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let arg = text(arg)?;
        match arg.as_str() {
            "--help" | "-h" => return Ok((Mode::Help, settings)),
            "--version" => return Ok((Mode::Version, settings)),
            "listen" if mode.is_none() => mode = Some(Mode::Listen),
            "try" if mode.is_none() => mode = Some(Mode::Try),
            _ if !arg.starts_with('-') && mode == Some(Mode::Listen) => {
                settings.listen_on.push(arg);
            }
            _ => {
                let mode = *mode.get_or_insert(Mode::Session);
                option(&mut settings, mode, arg, &mut args)?;
            }
        }
    }
    Ok((mode.unwrap_or(Mode::Session), settings))
}

/// Takes one option, `--name VALUE` or `--name=VALUE`.
fn option(
    settings: &mut Settings,
    mode: Mode,
    arg: String,
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<(), UsageError> {
    let (name, inline) = match arg.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
        _ => (arg.as_str(), None),
    };
    let Some(known) = OPTIONS.iter().find(|o| o.names.contains(&name)) else {
        return Err(UsageError(unknown(&arg, mode)));
    };
    if known.scope == Scope::Listen && mode != Mode::Listen {
        return Err(UsageError(format!("{name} is an option of `smtp-wrapper listen`")));
    }
    let value = match inline {
        Some(value) => value,
        None => {
            text(rest.next().ok_or_else(|| UsageError(format!("{name} wants {}", known.value)))?)?
        }
    };
    (known.set)(settings, &value).map_err(|why| UsageError(format!("{name} {value:?}: {why}")))?;
    if known.scope == Scope::Session && mode != Mode::Session {
        settings.session_args.push(name.to_owned());
        settings.session_args.push(value);
    }
    Ok(())
}

/// What to say of an argument that is none.
fn unknown(arg: &str, mode: Mode) -> String {
    match arg {
        "listen" | "try" => format!("{arg:?} comes before the options: smtp-wrapper {arg} …"),
        _ if mode == Mode::Try && !arg.starts_with('-') => {
            format!(
                "unknown argument {arg:?}: try listens on 127.0.0.1:2525 and takes options only"
            )
        }
        _ => format!("unknown argument {arg:?}"),
    }
}

fn text(arg: OsString) -> Result<String, UsageError> {
    arg.into_string().map_err(|arg| UsageError(format!("{arg:?} is not UTF-8")))
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| "not a number in range".to_owned())
}

/// Seconds, with or without decimals, above zero and at most a day.
fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = number(value)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(t) if t > Duration::ZERO && t <= Duration::from_secs(86_400) => Ok(t),
        _ => Err("must be above 0 and at most 86400 seconds".to_owned()),
    }
}

fn log_to(value: &str) -> Result<LogTo, String> {
    Ok(match value {
        "auto" => LogTo::Auto,
        "stderr" => LogTo::Stderr,
        "syslog" => LogTo::Syslog,
        "none" => LogTo::Nowhere,
        _ => match value.strip_prefix("syslog:") {
            Some(path) if path.starts_with('/') => LogTo::SyslogAt(path.to_owned()),
            _ => return Err("must be auto, stderr, syslog, syslog:/path or none".to_owned()),
        },
    })
}

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut out = String::from(
        "smtp-wrapper: a filter for incoming SMTP, one process per connection\n\n\
         usage: smtp-wrapper [OPTION…]                one session, the client on fd 0 (inetd, systemd)\n\
         \x20      smtp-wrapper listen [OPTION…] [ADDRESS…]  accept connections, one process each\n\
         \x20      smtp-wrapper try [OPTION…]            a trial on 127.0.0.1:2525, nothing needed\n",
    );
    for (scope, title) in [(Scope::Session, "options"), (Scope::Listen, "options of listen")] {
        out.push_str(&format!("\n{title} (defaults in brackets):\n"));
        for o in OPTIONS.iter().filter(|o| o.scope == scope) {
            let left = format!("{} {}", o.names.join(", "), o.value);
            out.push_str(&format!("  {left:<26} {}\n", o.help));
        }
    }
    out.push_str(
        "  --help, --version          print and exit\n\n\
         ADDRESS is PORT, HOST:PORT or [IPv6]:PORT; none: the socket systemd passed, else port 25.\n\
         Exit status: 0 the client ended it, 70 internal fault, 75 MTA away, 78 usage.\n",
    );
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Mode, Settings), UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_of_the_original_are_spelled_as_they_were() {
        let (mode, s) = parsed("-sh ::1 -sp 26 -t 1.5").unwrap();
        assert_eq!(mode, Mode::Session);
        assert_eq!(s.upstream.to_string(), "[::1]:26");
        assert_eq!(s.time_limit, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_tool_keeps_the_session_options_for_its_sessions() {
        let (mode, s) = parsed("listen --max 3 --log=none 127.0.0.1:25 -t 5 2525").unwrap();
        assert_eq!((mode, s.max), (Mode::Listen, 3));
        assert_eq!(s.listen_on, ["127.0.0.1:25", "2525"]);
        assert_eq!(s.session_args, ["--log", "none", "-t", "5"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, says) in [
            ("--max 3", "--max is an option of `smtp-wrapper listen`"),
            ("-t 5 listen", "\"listen\" comes before the options"),
            ("try 2600", "unknown argument \"2600\": try listens on"),
            ("-sp 0", "-sp \"0\": not a number"),
            ("--upstream a:0", "--upstream \"a:0\": the port must"),
            ("listen --backlog -1", "--backlog \"-1\": not a number"),
            ("foo", "unknown argument \"foo\""),
            ("-t", "-t wants SEC"),
            ("-t 0", "-t \"0\": must be above 0"),
            ("-t nan", "-t \"nan\": must be"),
            ("--upstream=x", "--upstream \"x\": "),
            ("-sp 65536", "-sp \"65536\": not a number"),
            ("--log file", "--log \"file\": must be auto"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.starts_with(says), "{line}: {error}");
        }
    }

    #[test]
    fn help_names_every_option() {
        let help = help();
        for name in OPTIONS.iter().flat_map(|o| o.names) {
            assert!(help.contains(name), "{name}");
        }
    }
}
