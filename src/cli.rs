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

use crate::config::settings::{self, LogTo, Settings};
use crate::config::{self, ConfigError, Loaded, Source};

/// What `listen` is run with.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Sessions at once.
    pub max: usize,
    /// Sessions at once of one client address.
    pub max_per_address: usize,
    /// Length of the kernel's queue of connections not yet accepted.
    pub backlog: i32,
    /// Addresses to listen on, as written.
    pub on: Vec<String>,
    /// `-mh` and `-mp`, which make one address.
    host: Option<&'static str>,
    port: Option<NonZeroU16>,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            max: 256,
            max_per_address: 16,
            backlog: 512,
            on: Vec::new(),
            host: None,
            port: None,
        }
    }
}

/// What was asked for.
#[derive(Default)]
pub struct Invocation {
    /// The mode.
    pub mode: Mode,
    /// The configuration's file.
    pub source: Source,
    /// For `listen`.
    pub listen: Listen,
    /// Options of a session, in the order in which they override each other.
    given: Vec<(&'static Opt, &'static str, &'static str)>,
    /// The session options as they stood on the command line, for a tool to
    /// hand to the sessions it starts.
    pub session_args: Vec<&'static str>,
    /// The file that `compile` is for.
    pub file: Option<&'static str>,
}

impl Invocation {
    /// Puts the options over the settings.
    ///
    /// # Errors
    /// The first option whose value is wrong.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), UsageError> {
        for (option, name, value) in &self.given {
            if let Set::Session(set) = option.set {
                set(settings, value).map_err(|why| wrong(name, value, &why))?;
            }
        }
        Ok(())
    }

    /// The configuration with the options over it.
    ///
    /// # Errors
    /// The first mistake in either.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        config::load(self.source, |settings| {
            self.apply(settings).map_err(|error| ConfigError(error.to_string()))
        })
    }

    /// Where to log what is wrong with the rest.
    #[must_use]
    pub fn log(&self) -> LogTo {
        let mut settings = Settings::default();
        let log = self.given.iter().rfind(|(option, ..)| option.names.contains(&"--log"));
        if let Some((Opt { set: Set::Session(set), .. }, _, value)) = log {
            let _ = set(&mut settings, value);
        }
        settings.log
    }
}

/// What the command line asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One session, the client on fd 0.
    #[default]
    Session,
    /// The accept loop.
    Listen,
    /// The trial on the desk.
    Try,
    /// Writes the compiled form of a configuration.
    Compile,
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
    /// What its value is called in the help; empty if it takes none.
    pub value: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Who understands it.
    pub scope: Scope,
    set: Set,
}

/// What an option does with its value.
enum Set {
    Session(fn(&mut Settings, &'static str) -> Result<(), String>),
    Listen(fn(&mut Listen, &'static str) -> Result<(), String>),
    /// Names the configuration's file.
    Source,
}

/// Every option there is. Those with one dash and several letters are spelled as
/// in the original.
pub const OPTIONS: &[Opt] = &[
    Opt {
        names: &["--config"],
        value: "FILE",
        help: "the configuration, or none (/etc/smtp-wrapper/smtp-wrapper.toml)",
        scope: Scope::Session,
        set: Set::Source,
    },
    Opt {
        names: &["--upstream"],
        value: "HOST:PORT",
        help: "the MTA that the session is relayed to (127.0.0.1:8025)",
        scope: Scope::Session,
        set: Set::Session(|s, v| v.parse().map(|a| s.upstream = a)),
    },
    Opt {
        names: &["-sh"],
        value: "HOST",
        help: "host of the MTA",
        scope: Scope::Session,
        set: Set::Session(|s, v| s.upstream.set_host(v)),
    },
    Opt {
        names: &["-sp"],
        value: "PORT",
        help: "port of the MTA",
        scope: Scope::Session,
        set: Set::Session(|s, v| number(v).map(|p: NonZeroU16| s.upstream.port = p.get())),
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

/// Reads the arguments after the program's name, and before them what the
/// environment says in [`OPTIONS_VARIABLE`].
///
/// # Errors
/// A [`UsageError`] whose text names the argument at fault.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    environment: Option<OsString>,
) -> Result<Invocation, UsageError> {
    let mut asked = Invocation::default();
    if let Some(words) = environment {
        asked.environment(text(words)?)?;
    }
    let mut mode = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let arg = text(arg)?;
        match arg {
            "--help" | "-h" => return Ok(Invocation { mode: Mode::Help, ..asked }),
            "--version" => return Ok(Invocation { mode: Mode::Version, ..asked }),
            "listen" if mode.is_none() => mode = Some(Mode::Listen),
            "try" if mode.is_none() => mode = Some(Mode::Try),
            "compile" if mode.is_none() => mode = Some(Mode::Compile),
            _ if !arg.starts_with('-') && mode == Some(Mode::Listen) => {
                asked.listen.on.push(arg.to_owned());
            }
            _ if !arg.starts_with('-') && mode == Some(Mode::Compile) && asked.file.is_none() => {
                asked.file = Some(arg);
            }
            _ => {
                let mode = *mode.get_or_insert(Mode::Session);
                let handed_on = mode != Mode::Session;
                asked.option(mode, arg, handed_on, || args.next().map(text).transpose())?;
            }
        }
    }
    asked.mode = mode.unwrap_or_default();
    asked.listen.add_original();
    Ok(asked)
}

/// The environment variable with options for sessions, parted by white space.
pub const OPTIONS_VARIABLE: &str = "SMTP_WRAPPER_OPTIONS";

impl Invocation {
    fn environment(&mut self, words: &'static str) -> Result<(), UsageError> {
        let mut words = words.split_ascii_whitespace();
        while let Some(word) = words.next() {
            let option = self.option(Mode::Session, word, false, || Ok(words.next()));
            option.map_err(|UsageError(what)| UsageError(format!("{OPTIONS_VARIABLE}: {what}")))?;
        }
        Ok(())
    }

    /// Takes one option, `--name VALUE` or `--name=VALUE`.
    fn option(
        &mut self,
        mode: Mode,
        arg: &'static str,
        handed_on: bool,
        next: impl FnOnce() -> Result<Option<&'static str>, UsageError>,
    ) -> Result<(), UsageError> {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (arg, None),
        };
        let Some(known) = OPTIONS.iter().find(|o| o.names.contains(&name)) else {
            return Err(UsageError(unknown(arg, mode)));
        };
        if known.scope == Scope::Listen && mode != Mode::Listen {
            return Err(UsageError(format!("{name} is an option of `smtp-wrapper listen`")));
        }
        let value = match inline {
            None if known.value.is_empty() => "",
            Some(_) if known.value.is_empty() => {
                return Err(UsageError(format!("{name} takes no value")));
            }
            Some(value) => value,
            None => next()?.ok_or_else(|| UsageError(format!("{name} wants {}", known.value)))?,
        };
        match known.set {
            Set::Session(_) => self.given.push((known, name, value)),
            Set::Listen(set) => {
                set(&mut self.listen, value).map_err(|why| wrong(name, value, &why))?;
            }
            Set::Source => {
                self.source = if value == "none" { Source::Nothing } else { Source::Named(value) }
            }
        }
        if known.scope == Scope::Session && handed_on {
            self.session_args.push(name);
            self.session_args.extend((!known.value.is_empty()).then_some(value));
        }
        Ok(())
    }
}

impl Listen {
    /// The address that the original's options make.
    fn add_original(&mut self) {
        let port = self.port.map_or(25, NonZeroU16::get);
        match self.host {
            Some(host) if host.contains(':') => self.on.push(format!("[{host}]:{port}")),
            Some(host) => self.on.push(format!("{host}:{port}")),
            None if self.port.is_some() => self.on.push(port.to_string()),
            None => {}
        }
    }
}

/// A value that is wrong.
fn wrong(name: &str, value: &str, why: &str) -> UsageError {
    UsageError(format!("{name} {value:?}: {why}"))
}

/// What to say of an argument that is none.
fn unknown(arg: &str, mode: Mode) -> String {
    match arg {
        "listen" | "try" | "compile" => {
            format!("{arg:?} comes before the options: smtp-wrapper {arg} …")
        }
        _ if mode == Mode::Try && !arg.starts_with('-') => {
            format!(
                "unknown argument {arg:?}: try listens on 127.0.0.1:2525 and takes options only"
            )
        }
        _ => format!("unknown argument {arg:?}"),
    }
}

/// Arguments live as long as the process.
fn text(arg: OsString) -> Result<&'static str, UsageError> {
    match arg.into_string() {
        Ok(arg) => Ok(arg.leak()),
        Err(arg) => Err(UsageError(format!("{arg:?} is not UTF-8"))),
    }
}

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

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut out = String::from(
        "smtp-wrapper: a filter for incoming SMTP, one process per connection\n\n\
         usage: smtp-wrapper [OPTION…]                one session, the client on fd 0 (inetd, systemd)\n\
         \x20      smtp-wrapper listen [OPTION…] [ADDRESS…]  accept connections, one process each\n\
         \x20      smtp-wrapper try [OPTION…]            a trial on 127.0.0.1:2525, nothing needed\n\
         \x20      smtp-wrapper compile [FILE]           reads a configuration for sessions beforehand\n",
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
         SMTP_WRAPPER_OPTIONS in the environment holds more options of a session; the\n\
         command line overrides it, and both override the configuration.\n\
         Exit status: 0 the client ended it, 70 internal fault, 75 MTA away, 78 usage.\n",
    );
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Invocation, Settings), UsageError> {
        let asked = parse(line.split_whitespace().map(OsString::from), None)?;
        let mut settings = Settings::default();
        asked.apply(&mut settings)?;
        Ok((asked, settings))
    }

    #[test]
    fn options_of_the_original_are_spelled_as_they_were() {
        let (asked, s) = parsed("-sh ::1 -sp 26 -t 1.5 -d 3 -nsc -i 2 -if /a -f /b -ae").unwrap();
        assert_eq!(asked.mode, Mode::Session);
        assert_eq!(s.upstream.to_string(), "[::1]:26");
        assert_eq!(s.time_limit, Some(Duration::from_millis(1500)));
        assert_eq!(s.greet_delay, Duration::from_secs(3));
        assert_eq!((s.original.delay, s.original.talkers_pass), (true, true));
        assert_eq!(s.original.interval, Some(Duration::from_secs(2)));
        assert_eq!((s.original.ip_filter, s.original.contents_filter), (Some("/a"), Some("/b")));
        let (asked, _) = parsed("listen -mh ::1 -mp 26 -q 7 -cm 9 -F").unwrap();
        assert_eq!(asked.listen.on, ["[::1]:26"]);
        assert_eq!((asked.listen.backlog, asked.listen.max), (7, 9));
        assert_eq!(parsed("listen -mh 192.0.2.1").unwrap().0.listen.on, ["192.0.2.1:25"]);
        assert_eq!(parsed("listen -mp 2525").unwrap().0.listen.on, ["2525"]);
    }

    #[test]
    fn a_tool_keeps_the_session_options_for_its_sessions() {
        let (asked, _) =
            parsed("listen --max 3 --log=none 127.0.0.1:25 -t 5 2525 -nsc --config /x").unwrap();
        assert_eq!((asked.mode, asked.listen.max), (Mode::Listen, 3));
        assert_eq!(asked.listen.on, ["127.0.0.1:25", "2525"]);
        let args = ["--log", "none", "-t", "5", "-nsc", "--config", "/x"];
        assert_eq!(asked.session_args, args);
    }

    #[test]
    fn the_environment_is_overridden_by_the_command_line() {
        let environment = Some(OsString::from(" -sp 26  -t 5 "));
        let asked = parse([OsString::from("-t"), OsString::from("6")], environment).unwrap();
        let mut settings = Settings::default();
        asked.apply(&mut settings).unwrap();
        assert_eq!(settings.upstream.port, 26);
        assert_eq!(settings.time_limit, Some(Duration::from_secs(6)));
        for (words, says) in [
            ("-sp", "SMTP_WRAPPER_OPTIONS: -sp wants PORT"),
            ("listen", "SMTP_WRAPPER_OPTIONS: \"listen\" comes before"),
            ("--max 3", "SMTP_WRAPPER_OPTIONS: --max is an option of"),
        ] {
            let error = parse([], Some(OsString::from(words))).map(drop).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
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
            ("-d -1", "-d \"-1\": must be 0 to"),
            ("--upstream=x", "--upstream \"x\": "),
            ("-sp 65536", "-sp \"65536\": not a number"),
            ("--log file", "--log \"file\": must be auto"),
            ("--profile new", "--profile \"new\": must be none or original"),
            ("--reject-at data", "--reject-at \"data\": must be rcpt or connect"),
            ("--hostname a/b", "--hostname \"a/b\": must be a host name"),
            ("-if filter", "-if \"filter\": must be a path"),
            ("--state x", "--state \"x\": must be a path"),
            ("compile a b", "unknown argument \"b\""),
        ] {
            let error = parsed(line).map(drop).unwrap_err().to_string();
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
