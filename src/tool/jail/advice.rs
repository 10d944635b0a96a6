//! How the jail is used, and what is left to be done.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::Invocation;
use crate::config::{LogTo, Settings, User};
use crate::sandbox::user::Ids;

use super::{IS_STATIC, PROGRAM};

/// What is to be said once the jail is there.
pub(super) struct Advice {
    user: User,
    ids: Ids,
    root: PathBuf,
    /// The options of sessions that were given, but for those of the sandbox.
    options: String,
    /// Options for what of the sandbox the configuration does not have.
    sandbox: String,
    /// The configuration has a chroot, for which a session in there would look in vain.
    only_ours: bool,
    log: LogTo,
    left: Vec<String>,
}

impl Advice {
    pub(super) fn new(
        asked: &Invocation,
        (user, ids): (User, Ids),
        root: &Path,
        settings: &Settings,
    ) -> Advice {
        let (mut options, mut given) = (String::new(), Vec::new());
        let mut words = asked.session_args.iter();
        while let Some(&word) = words.next() {
            match word {
                "--user" | "--chroot" => {
                    given.push(word);
                    words.next();
                }
                _ => drop(write!(options, " {}", quoted(word))),
            }
        }
        let has_chroot = settings.sandbox.as_ref().is_some_and(|sandbox| sandbox.chroot.is_some());
        let only_ours = has_chroot && !given.contains(&"--chroot");
        let mut sandbox = String::new();
        if given.contains(&"--user") {
            let _ = write!(sandbox, " --user {user}");
        }
        if !only_ours {
            let _ = write!(sandbox, " --chroot {}", root.display());
        }
        let root = root.to_owned();
        Advice { user, ids, root, options, sandbox, only_ours, log: settings.log, left: Vec::new() }
    }

    /// This is left to be done.
    pub(super) fn left(&mut self, what: String) {
        self.left.push(what);
    }

    /// All of it.
    pub(super) fn text(mut self) -> String {
        let Advice { user, ids, options, sandbox, .. } = &self;
        let root = self.root.display();
        let mut text = format!("\nThe jail {root} is ready for sessions of {user} ({ids}).\n");
        let program = std::env::current_exe().unwrap_or_else(|_| PROGRAM.into());
        let _ = write!(
            text,
            "\nStarted as root, smtp-wrapper goes into it by itself; configuration, lists and syslog \
             are those outside. A line of inetd.conf:\n\
             \x20   smtp stream tcp nowait root {} smtp-wrapper{sandbox}{options}\n",
            program.display()
        );
        if self.only_ours {
            text.push_str(
                "\nA supervisor must not start sessions in it: the configuration has a chroot. \
                 (Give --chroot in place of that, if one is to.)\n",
            );
        } else if IS_STATIC {
            let Ids { uid, gid } = ids;
            let _ = write!(
                text,
                "\nOr a supervisor starts it in there: configuration and lists are then those of the \
                 jail. As root, with chroot of GNU, or of a BSD:\n\
                 \x20   chroot --userspec={uid}:{gid} {root} {PROGRAM}{options}\n\
                 \x20   chroot -u {uid} -g {gid} {root} {PROGRAM}{options}\n\
                 With systemd, in the unit's [Service] (the last line is for syslog and the journal):\n\
                 \x20   ExecStart={PROGRAM}{options}\n\
                 \x20   User={uid}\n\
                 \x20   Group={gid}\n\
                 \x20   RootDirectory={root}\n\
                 \x20   BindReadOnlyPaths=-/dev/log -/run/systemd/journal/socket -/run/systemd/journal/stdout\n",
            );
        } else {
            text.push_str(
                "\nWARNING: this program is linked dynamically, and was not put into the jail: a supervisor \
                 cannot start it there. \"Installing\" in the README tells how to build a static one.\n",
            );
        }
        self.add_usual();
        text.push_str("\nLeft to be done:\n");
        for what in &self.left {
            let _ = writeln!(text, "  - {what}");
        }
        text
    }

    fn add_usual(&mut self) {
        let root = self.root.display();
        let socket = match self.log {
            LogTo::Auto | LogTo::Syslog => Some("/dev/log"),
            LogTo::SyslogAt(path) => Some(path),
            LogTo::Stderr | LogTo::Nowhere => None,
        };
        let syslog = socket.filter(|_| IS_STATIC && !self.only_ours).map(|socket| {
            format!(
                "if a supervisor other than systemd starts sessions in there: have syslogd listen in the \
                 jail too (rsyslog: input(type=\"imuxsock\" Socket=\"{root}{socket}\"); others: \
                 syslogd -a {root}{socket}, FreeBSD's -l), and start it before them; or --log stderr"
            )
        });
        let again = "run this again after each change of what was copied (configuration, lists, \
                     certificates, resolv.conf, this program)";
        self.left.extend(syslog);
        self.left.push(again.to_owned());
    }
}

/// A word as a shell wants it.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@[]%+".contains(&b);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
