//! The units of systemd that start sessions: what of them makes a difference to
//! sessions. `systemd-analyze verify` knows the rest.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::cli::{self, Invocation, Mode};
use crate::file;

use super::findings::Findings;
use super::users::{self, Starter, User};

/// Where an administrator's units lie.
const UNITS: &str = "/etc/systemd/system";

/// A larger file is none of these, in MiB.
const MOST: u64 = 1;

/// Looks at the units that are named, or else at ours in the usual place; gives what
/// starts sessions.
pub(super) fn check(asked: &Invocation, findings: &mut Findings) -> Vec<Starter> {
    let mut units: Vec<PathBuf> = asked.check().units.iter().map(PathBuf::from).collect();
    if units.is_empty() {
        let found = fs::read_dir(UNITS).into_iter().flatten().flatten().map(|entry| entry.path());
        units.extend(found.filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("smtp-wrapper")
                && (name.ends_with(".socket") || name.ends_with(".service"))
        }));
        units.sort();
    }
    units.iter().filter_map(|path| unit(path, findings)).collect()
}

fn unit(path: &Path, findings: &mut Findings) -> Option<Starter> {
    let place = path.display().to_string();
    let text = match read(path) {
        Ok(text) => text,
        Err(why) => {
            findings.error(&place, why, "");
            return None;
        }
    };
    let unit = Unit { place, path, keys: keys(&text) };
    match unit.has_section("Socket") {
        true => {
            unit.socket(findings);
            None
        }
        false => unit.service(findings),
    }
}

/// Reads a small file of text.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let (file, stat) = file::open(path).map_err(cannot)?.ok_or("there is no such file")?;
    let octets = file::read_all(&file, &stat, MOST).map_err(cannot)?;
    String::from_utf8(octets).map_err(|_| "is not UTF-8".to_owned())
}

/// A key, as systemd.syntax(7) has it.
struct Key {
    line: usize,
    section: String,
    name: String,
    value: String,
}

fn keys(text: &str) -> Vec<Key> {
    let (mut keys, mut section) = (Vec::<Key>::new(), String::new());
    let mut lines = text.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let mut whole = line.to_owned();
        while let Some(begun) = whole.strip_suffix('\\') {
            let more = lines.by_ref().find(|(_, line)| !line.trim_start().starts_with(['#', ';']));
            whole = format!("{begun} {}", more.map_or("", |(_, line)| line.trim()));
        }
        if let Some((name, value)) = whole.split_once('=') {
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            keys.push(Key { line: n + 1, section: section.clone(), name, value });
        }
    }
    keys
}

struct Unit<'a> {
    place: String,
    path: &'a Path,
    keys: Vec<Key>,
}

impl Unit<'_> {
    fn has_section(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.section == name)
    }

    /// The key that counts: the last one.
    fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().rfind(|key| key.name == name)
    }

    fn value(&self, name: &str) -> &str {
        self.key(name).map_or("", |key| &key.value)
    }

    fn says(&self, name: &str, yes: bool) -> bool {
        let words = if yes { ["yes", "true", "on", "1"] } else { ["no", "false", "off", "0"] };
        words.iter().any(|word| self.value(name).eq_ignore_ascii_case(word))
    }

    fn at(&self, name: &str) -> String {
        match self.key(name) {
            Some(key) => format!("{}:{}", self.place, key.line),
            None => self.place.clone(),
        }
    }

    fn file_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn socket(&self, findings: &mut Findings) {
        let accepts = self.says("Accept", true);
        let stem = self.file_name().strip_suffix(".socket").unwrap_or(self.file_name());
        let stem = stem.split('@').next().unwrap_or_default();
        let service = match (accepts, self.key("Service")) {
            (true, _) => format!("{stem}@.service"),
            (false, Some(key)) => key.value.clone(),
            (false, None) => format!("{stem}.service"),
        };
        if !self.path.with_file_name(&service).exists() {
            let what = format_args!("there is no {service} beside it, which it would start");
            findings.warning(&self.place, what, format_args!("install systemd/{service}"));
        }
        if accepts {
            self.limits(findings);
        }
        findings.ok(&self.place, format_args!("starts {service}"));
    }

    /// What keeps a stranger from switching the service off, or having it alone.
    fn limits(&self, findings: &mut Findings) {
        if self.key("MaxConnections").is_none() {
            let what = "no MaxConnections=: systemd hangs up on every client above 64";
            findings.warning(&self.place, what, "MaxConnections=256");
        }
        let per_source = "MaxConnectionsPerSource";
        if self.key(per_source).is_none() || self.value(per_source) == "0" {
            let what = "no MaxConnectionsPerSource=: one client can take every connection";
            findings.warning(&self.at(per_source), what, "MaxConnectionsPerSource=16");
        }
        if self.value("TriggerLimitBurst") != "0" {
            let what = "TriggerLimitBurst= is not 0: a stranger who connects fast enough switches \
             the socket off";
            findings.warning(&self.at("TriggerLimitBurst"), what, "TriggerLimitBurst=0");
        }
    }

    fn service(&self, findings: &mut Findings) -> Option<Starter> {
        let Some(start) = self.key("ExecStart") else {
            findings.error(&self.place, "has no ExecStart=", "take systemd/smtp-wrapper@.service");
            return None;
        };
        let at = self.at("ExecStart");
        let prefixed = start.value.trim_start_matches(['-', ':', '+', '!', '|']);
        let named_twice = prefixed.starts_with('@');
        let mut words = words(prefixed.trim_start_matches('@'));
        if named_twice && words.len() > 1 {
            words.remove(1);
        }
        let asked = command(&at, &words, self.environment(), findings)?;
        match asked.mode {
            Mode::Session => self.session(findings),
            Mode::Listen => {
                if self.value("StandardInput") == "socket" {
                    let what = "listen has no use for a client's socket";
                    findings.error(
                        &self.at("StandardInput"),
                        what,
                        "take systemd/smtp-wrapper-listen.service",
                    );
                }
            }
            _ => {
                let what = "starts neither a session nor listen";
                findings.error(&at, what, "take systemd/smtp-wrapper@.service");
            }
        }
        findings.ok(&at, "the program is there, and takes its options");
        let (place, credentials) = (self.place.clone(), self.credentials());
        let is_root = self.is_root() && !users::names_user(&asked);
        let root = is_root.then(|| self.at("User"));
        Some(Starter { place, user: self.user(findings), root, credentials })
    }

    /// The names of the credentials that it gives, as they are written.
    fn credentials(&self) -> Vec<String> {
        let keys = self.keys.iter().filter(|key| {
            ["LoadCredential", "SetCredential", "ImportCredential"]
                .iter()
                .any(|name| key.name.starts_with(name))
        });
        keys.map(|key| key.value.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    /// The options in the environment, if the unit has any.
    fn environment(&self) -> Option<OsString> {
        let keys = self.keys.iter().filter(|key| key.name == "Environment");
        let mut set = keys.flat_map(|key| words(&key.value));
        set.find_map(|set| {
            let (name, value) = set.split_once('=')?;
            (name == cli::OPTIONS_VARIABLE).then(|| value.into())
        })
    }

    fn session(&self, findings: &mut Findings) {
        if self.value("StandardInput") != "socket" {
            findings.error(
                &self.at("StandardInput"),
                "a session has its client on standard input, which is not the socket here",
                "StandardInput=socket; or \"smtp-wrapper listen\" with Accept=no",
            );
        }
        if self.key("StandardError").is_none() {
            findings.warning(
                &self.place,
                "no StandardError=: it is the client's socket, and the journal gets no log line",
                "StandardError=journal",
            );
        }
        if !self.file_name().contains('@') {
            findings.error(
                &self.place,
                "is no template: a socket with Accept=yes starts NAME@.service",
                format_args!("name it {}", self.file_name().replace(".service", "@.service")),
            );
        }
        if self.value("CollectMode") != "inactive-or-failed" {
            findings.warning(
                &self.place,
                "each session that fails stays in systemd's memory, and counts against MaxConnections=",
                "CollectMode=inactive-or-failed in [Unit]",
            );
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.value("User"), "" | "root" | "0") && !self.says("DynamicUser", true)
    }

    fn user(&self, findings: &mut Findings) -> Option<User> {
        let at = self.at("User");
        match self.value("User") {
            "" | "root" | "0" => None,
            // A specifier of systemd's.
            name if name.contains('%') => None,
            name => {
                let user = users::find(name);
                if user.is_none() {
                    let what = format_args!("the user {name} is not in /etc/passwd");
                    findings.warning(
                        &at,
                        what,
                        "systemd-sysusers makes it, with systemd/smtp-wrapper.conf",
                    );
                }
                // A state directory that systemd makes is the user's.
                user.filter(|_| self.key("StateDirectory").is_none())
            }
        }
    }
}

/// A command line's words, as systemd parts them, but for escapes and specifiers.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Is there such a program, and does it take these options, if it is ours? What it
/// is asked for.
pub(super) fn command(
    at: &str,
    words: &[String],
    environment: Option<OsString>,
    findings: &mut Findings,
) -> Option<Invocation> {
    let (program, options) = words.split_first()?;
    let path = Path::new(program);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !path.is_absolute() || !path.is_file() || access(path, Access::EXEC_OK).is_err() {
        let what = format_args!("{program}: there is no such program");
        findings.error(at, what, "the whole path of smtp-wrapper belongs there");
        return None;
    }
    if !name.starts_with("smtp-wrapper") {
        findings.note(at, format_args!("starts {program}, which is not looked at"), "");
        return None;
    }
    let asked = cli::parse(options.iter().map(OsString::from), environment.clone())
        .and_then(|asked| asked.apply(&mut crate::config::Settings::default()).map(|()| asked));
    match asked {
        Ok(asked) => {
            if asked.has_options() {
                let environment = environment.as_ref().map(|words| words.to_string_lossy());
                let words = environment.as_deref().into_iter().chain(options.iter().map(|o| &**o));
                let options = words.collect::<Vec<_>>().join(" ");
                let what = format_args!("sessions get options of their own: {options}");
                findings.note(at, what, "are they given to this check too?");
            }
            Some(asked)
        }
        Err(error) => {
            findings.error(at, error, "every client would get 421 4.3.5");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted() {
        for (line, parted) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            ("a 'b c' \"d e\"f ''", vec!["a", "b c", "d ef", ""]),
            ("", vec![]),
        ] {
            assert_eq!(words(line), parted, "{line}");
        }
    }

    #[test]
    fn keys_are_read() {
        let text = "[A]\n# x=1\nb = c \\\n# between\n  d\n;\n[E]\nf=\ng\n";
        let keys: Vec<_> = keys(text)
            .into_iter()
            .map(|k| format!("{}:{}.{}={}", k.line, k.section, k.name, k.value))
            .collect();
        assert_eq!(keys, ["3:A.b=c  d", "8:E.f="]);
    }
}
