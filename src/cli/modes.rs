//! What the program can be run as, and what each of these is given.

use std::num::NonZeroU16;

use crate::tool::replay::FailOn;
use crate::tool::report::Wanted;

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
    /// Writes the compiled forms of a configuration and its lists.
    Compile,
    /// What a session with a client would come to.
    Explain,
    /// Looks at everything and says what is amiss.
    Check,
    /// What filters did, by the log, and who came back as a mail server does.
    Report,
    /// What the filters would have made of what a log has.
    Replay,
    /// Makes a configuration of another program's.
    Import,
    /// Makes a root directory for sessions.
    Jail,
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

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
    pub(super) host: Option<&'static str>,
    pub(super) port: Option<NonZeroU16>,
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

impl Listen {
    /// The address that the original's options make.
    #[cold]
    pub(super) fn add_original(&mut self) {
        let port = self.port.map_or(25, NonZeroU16::get);
        match self.host {
            Some(host) if host.contains(':') => self.on.push(format!("[{host}]:{port}")),
            Some(host) => self.on.push(format!("{host}:{port}")),
            None => self.on.push(port.to_string()),
        }
    }
}

/// What `check` is to look at, beside the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// What is found is printed as JSON.
    pub json: bool,
    /// Units of systemd.
    pub units: Vec<&'static str>,
    /// Configurations of inetd or xinetd.
    pub inetds: Vec<&'static str>,
}

/// What `replay` and `import` are asked for, beside the files.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Desk {
    /// DNS is asked for host names that the log does not have.
    pub live_dns: bool,
    /// What the exit status tells of.
    pub fail_on: FailOn,
    /// The directory that is made.
    pub into: Option<&'static str>,
}

/// What tools are given.
#[derive(Default)]
pub(super) struct Tools {
    pub(super) check: Check,
    pub(super) report: Wanted,
    pub(super) desk: Desk,
}
