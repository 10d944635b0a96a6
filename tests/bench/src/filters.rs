//! What filters and their configuration cost.

use crate::count;
use crate::figure::{Budget, Figure};
use crate::folder::Folder;
use crate::front::Front;
use crate::measure::{Bench, count_short, figure, median};
use crate::name_server;
use crate::server::Subject;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Five filters that do not hit the bench's session; they look at all that a session brings.
const FIVE: [&str; 5] = [
    "type = \"allow\"\nentries = [\"198.51.100.0/24\", \"2001:db8::/32\", \"from:.example.net\"]\n",
    "type = \"deny\"\nentries = [\"203.0.113.0/24\", \"198.51.100.7\"]\n",
    "type = \"deny\"\nentries = [\"helo:.dialup.example\", \"helo:[192.0.2.1]\"]\n",
    "type = \"deny\"\nentries = [\"from:spam@example.invalid\", \"to:nobody@example.invalid\"]\n",
    "type = \"deny\"\nentries = [\"from:.spam.example\", \"to:.dead.example\"]\n",
];

const NULL_MESSAGE: usize = 20_000_000;

/// A configuration of so many lines, with the five filters first.
fn config(folder: &Folder, name: &str, lines: usize) -> io::Result<PathBuf> {
    let mut text: String = FIVE.iter().map(|filter| format!("[[filter]]\n{filter}")).collect();
    let mut comment = 0;
    while text.lines().count() < lines {
        comment += 1;
        text.push_str(match comment % 3 {
            0 => "[[filter]]\ntype = \"deny\"\nentries = [\"192.0.2.1\", \"from:x@y.example\"]\n",
            1 => "# a comment, as there are in most files\n",
            _ => "\n",
        });
    }
    folder.write(name, &text)
}

impl Bench {
    /// Instructions and system calls of filters that do not hit, and of reading a configuration.
    pub fn filters(&self) -> io::Result<Vec<Figure>> {
        let folder = Folder::new("filters")?;
        let asked = config(&folder, "asked.toml", 0)?;
        let empty = folder.write("empty.toml", "")?;
        let sixty = config(&folder, "sixty.toml", 60)?;
        let plain = self.with_config("none")?;
        let text = self.with_config(&sixty.to_string_lossy())?;
        for path in [&asked, &empty, &sixty] {
            compile(&self.logged, path)?;
        }
        let compiled = self.with_config(&sixty.to_string_lossy())?;
        let asked = self.with_config(&asked.to_string_lossy())?;
        let empty = self.with_config(&empty.to_string_lossy())?;
        let more = |with: u64, without: u64| with as f64 - without as f64;
        Ok(vec![
            figure(
                "user instructions of five filters that do not hit, read and asked",
                None,
                more(asked.instructions, empty.instructions),
                Budget::AtMost(40_000.0),
            ),
            figure(
                "system calls of the same",
                None,
                more(asked.syscalls, empty.syscalls),
                Budget::AtMost(0.0),
            ),
            figure(
                "user instructions of a configuration of 60 lines and its filters",
                None,
                more(text.instructions, plain.instructions),
                Budget::AtMost(200_000.0),
            ),
            figure(
                "the same, compiled",
                None,
                more(compiled.instructions, plain.instructions),
                Budget::AtMost(80_000.0),
            ),
        ])
    }

    /// S25R, beside S25R that finds the client to be none of its business: the client's name and
    /// address are asked of a name server on loopback, and stand in the log.
    pub fn s25r(&self) -> io::Result<Vec<Figure>> {
        let (folder, server) = (Folder::new("filters")?, name_server::start(0, name_server::MAIL)?);
        let counts = |local: bool| {
            let text = format!(
                "[dns]\nservers = [\"{server}\"]\n[[filter]]\ntype = \"allow\"\nproviders = true\n\
                 [[filter]]\ntype = \"s25r\"\nlocal = {local}\n"
            );
            let path = folder.write("s25r.toml", &text)?;
            self.with_config(&path.to_string_lossy())
        };
        let (without, with) = (counts(false)?, counts(true)?);
        // The same answers of DNS, for a list of names, with and without S25R behind it.
        let beyond = |filters: &str| {
            let text = format!(
                "[dns]\nservers = [\"{server}\"]\n[[filter]]\ntype = \"allow\"\n\
                 entries = [\"mail.example.net\"]\n{filters}"
            );
            let path = folder.write("beyond.toml", &text)?;
            self.with_config(&path.to_string_lossy())
        };
        let names = beyond("")?;
        let rules = beyond("providers = true\n[[filter]]\ntype = \"s25r\"\nlocal = true\n")?;
        let more = |with: u64, without: u64| with as f64 - without as f64;
        Ok(vec![
            figure(
                "user instructions of S25R with two answers of DNS",
                None,
                more(with.instructions, without.instructions),
                Budget::AtMost(25_000.0),
            ),
            figure(
                "system calls of the same",
                None,
                more(with.syscalls, without.syscalls),
                Budget::AtMost(12.0),
            ),
            figure(
                "user instructions of S25R and the providers beyond the answers of DNS",
                None,
                more(rules.instructions, names.instructions),
                Budget::AtMost(15_000.0),
            ),
        ])
    }

    /// What it costs to tell the MTA by a PROXY header who the client is.
    pub fn identity(&self) -> io::Result<Vec<Figure>> {
        let counts = |identity: &str| {
            count_short(&self.logged.with(&["--config", "none", "--identity", identity]))
        };
        let none = counts("none")?.instructions as f64;
        let with = |identity: &str| io::Result::Ok(counts(identity)?.instructions as f64 - none);
        Ok(vec![
            figure(
                "user instructions of a PROXY header, version 1",
                None,
                with("proxy-v1")?,
                Budget::AtMost(2000.0),
            ),
            figure("the same, version 2", None, with("proxy-v2")?, Budget::AtMost(2000.0)),
        ])
    }

    /// A message of 20 MB through the contents filter that passes everything.
    pub fn null_filter(&self) -> io::Result<Vec<Figure>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../filters/null.sh");
        let script = fs::canonicalize(script)?;
        let subject = self.logged.with(&["-f", &script.to_string_lossy()]);
        let mut speeds = Vec::new();
        for _ in 0..self.scale.repetitions {
            speeds.push(self.speed(Front::Launcher, &subject, NULL_MESSAGE)?);
        }
        Ok(vec![figure(
            "20 MB message through `filters/null.sh`, MB/s",
            None,
            median(speeds),
            Budget::AtLeast(150.0),
        )])
    }

    fn with_config(&self, path: &str) -> io::Result<count::Counts> {
        count_short(&self.logged.with(&["--config", path]))
    }
}

/// Has the program make the compiled form of a configuration or list.
pub fn compile(subject: &Subject, path: &Path) -> io::Result<()> {
    let compiled = Command::new(&subject.command[0]).arg("compile").arg(path).output()?;
    match compiled.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&compiled.stderr).into_owned())),
    }
}
