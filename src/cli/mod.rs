//! The command line: one table of options that the parser, `--help` and the
//! tests walk.
//!
//! The options of the original program are spelled as they were, with one dash
//! and several letters (`-sh`), which is why no argument library is used: none
//! of the small ones can say that, and a session has no instructions to spare
//! for the large ones.

mod help;
mod modes;
mod options;
mod values;

use std::ffi::OsString;
use std::fmt;

use crate::config::settings::{LogTo, Settings, Style};
use crate::config::{self, ConfigError, Loaded, Source};
use crate::tool::explain::Given;
use crate::tool::report::Wanted;

pub use help::help;
use modes::Tools;
pub use modes::{Check, Desk, Listen, Mode};
use options::Set;
pub use options::{Opt, Scope, options};

/// What was asked for.
#[derive(Default)]
pub struct Invocation {
    /// The mode.
    pub mode: Mode,
    /// The configuration's file.
    pub source: Source,
    /// For `listen`.
    pub listen: Listen,
    /// For the other tools, in one box: a session pays for each that it does not have.
    tools: Option<Box<Tools>>,
    /// Options of a session, in the order in which they override each other.
    given: Vec<(&'static Opt, &'static str, &'static str)>,
    /// So many of them are of the environment, which the others override.
    of_environment: usize,
    /// The session options as they stood on the command line, for a tool to
    /// hand to the sessions it starts.
    pub session_args: Vec<&'static str>,
    /// For `explain`.
    pub explain: Option<Box<Given>>,
    /// The files that `compile`, `report`, `replay`, `import` and `jail` are for.
    pub files: Vec<&'static str>,
}

impl Invocation {
    /// Puts the options over the settings.
    ///
    /// # Errors
    /// The first option whose value is wrong.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), UsageError> {
        for (n, (option, name, value)) in self.given.iter().enumerate() {
            if n == self.of_environment {
                settings.upstream.overridden();
            }
            if let Set::Session(set) = option.set {
                set(settings, value).map_err(|why| wrong(name, value, &why))?;
            }
        }
        Ok(())
    }

    /// What `check` is to look at beside the configuration.
    #[must_use]
    pub fn check(&self) -> Check {
        self.tools.as_deref().map(|tools| tools.check.clone()).unwrap_or_default()
    }

    /// What `report` is to tell.
    #[must_use]
    pub(crate) fn report(&self) -> Wanted {
        self.tools.as_deref().map(|tools| tools.report).unwrap_or_default()
    }

    /// What `replay` and `import` are asked for.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.tools.as_deref().map(|tools| tools.desk).unwrap_or_default()
    }

    /// Is a session's option among them?
    pub(crate) fn has_options(&self) -> bool {
        !self.given.is_empty() || self.source != Source::Default
    }

    /// The configuration with the options over it.
    ///
    /// # Errors
    /// The first mistake in either.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        config::load(self.source, true, |settings| {
            self.apply(settings).map_err(|error| ConfigError(error.to_string()))
        })
    }

    /// Where and how to log what is wrong with the rest.
    #[must_use]
    pub fn log(&self) -> (LogTo, Style) {
        let mut settings = Settings::default();
        for name in ["--log", "--log-style"] {
            let log = self.given.iter().rfind(|(option, ..)| option.names.contains(&name));
            if let Some((Opt { set: Set::Session(set), .. }, _, value)) = log {
                let _ = set(&mut settings, value);
            }
        }
        (settings.log, settings.style)
    }
}

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
        asked.of_environment = asked.given.len();
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
            "explain" if mode.is_none() => mode = Some(Mode::Explain),
            "check" if mode.is_none() => mode = Some(Mode::Check),
            "report" if mode.is_none() => mode = Some(Mode::Report),
            "replay" if mode.is_none() => mode = Some(Mode::Replay),
            "import" if mode.is_none() => mode = Some(Mode::Import),
            "jail" if mode.is_none() => mode = Some(Mode::Jail),
            _ if !arg.starts_with('-') && mode == Some(Mode::Listen) => {
                asked.listen.on.push(arg.to_owned());
            }
            _ if !arg.starts_with('-')
                && mode == Some(Mode::Explain)
                && asked.explain.as_ref().is_none_or(|given| given.ip.is_none()) =>
            {
                let inside = arg.strip_prefix('[').and_then(|arg| arg.strip_suffix(']'));
                let ip = inside.unwrap_or(arg).parse();
                let none = |_| UsageError(format!("{arg:?} is no address"));
                asked.explain.get_or_insert_default().ip = Some(ip.map_err(none)?);
            }
            _ if mode.is_some_and(|mode| asked.is_file(mode, arg)) => asked.files.push(arg),
            _ => {
                let mode = *mode.get_or_insert(Mode::Session);
                let handed_on = mode != Mode::Session;
                asked.option(mode, arg, handed_on, || args.next().map(text).transpose())?;
            }
        }
    }
    asked.mode = mode.unwrap_or_default();
    if asked.listen.host.is_some() || asked.listen.port.is_some() {
        asked.listen.add_original();
    }
    Ok(asked)
}

/// The environment variable with options for sessions, parted by white space.
pub const OPTIONS_VARIABLE: &str = "SMTP_WRAPPER_OPTIONS";

impl Invocation {
    /// Is the argument a file, or a word, that this mode is for?
    fn is_file(&self, mode: Mode, arg: &str) -> bool {
        let option = arg.starts_with('-');
        match mode {
            Mode::Compile => !option,
            Mode::Jail => !option && self.files.is_empty(),
            Mode::Report | Mode::Replay => !option || arg == "-",
            // Its arguments are those of the program that is named first.
            Mode::Import => !option || (!arg.starts_with("--") && !self.files.is_empty()),
            _ => false,
        }
    }

    #[cold]
    #[inline(never)]
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
        let Some(known) = options().find(|o| o.names.contains(&name)) else {
            return Err(UsageError(unknown(arg, mode)));
        };
        let (of, tool) = known.scope.mode();
        if known.scope != Scope::Session && mode != of {
            return Err(UsageError(format!("{name} is an option of `smtp-wrapper {tool}`")));
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
            Set::Source => {
                self.source = match value {
                    "none" => Source::Nothing,
                    "usual" => Source::Usual,
                    path => Source::Named(path),
                }
            }
            _ => self.tool_option(known, value).map_err(|why| wrong(name, value, &why))?,
        }
        if known.scope == Scope::Session && handed_on {
            self.session_args.push(name);
            self.session_args.extend((!known.value.is_empty()).then_some(value));
        }
        Ok(())
    }

    /// Takes an option that no session has.
    #[cold]
    fn tool_option(&mut self, known: &Opt, value: &'static str) -> Result<(), String> {
        match known.set {
            Set::Session(_) | Set::Source => {}
            Set::Listen(set) => set(&mut self.listen, value)?,
            Set::Explain(set) => set(self.explain.get_or_insert_default(), value)?,
            Set::Check(set) => set(&mut self.tools.get_or_insert_default().check, value),
            Set::Report(set) => set(&mut self.tools.get_or_insert_default().report, value)?,
            Set::Desk(set) => set(&mut self.tools.get_or_insert_default().desk, value)?,
        }
        Ok(())
    }
}

/// A value that is wrong.
#[cold]
#[inline(never)]
fn wrong(name: &str, value: &str, why: &str) -> UsageError {
    UsageError(format!("{name} {value:?}: {why}"))
}

/// What to say of an argument that is none.
#[cold]
#[inline(never)]
fn unknown(arg: &str, mode: Mode) -> String {
    match arg {
        "listen" | "try" | "compile" | "explain" | "check" | "report" | "replay" | "import"
        | "jail" => {
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

#[cfg(test)]
mod tests;
