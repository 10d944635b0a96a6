//! `smtp-wrapper check`, the real binary, against MTAs that are as they should be and MTAs that are not.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;
#[path = "check/files.rs"]
mod files;
#[path = "check/json.rs"]
mod json;
#[path = "check/mta.rs"]
mod mta;
#[path = "check/notes.rs"]
mod notes;
#[path = "check/sandbox.rs"]
mod sandbox;
#[path = "check/tls.rs"]
mod tls;
#[path = "check/units.rs"]
mod units;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::dns::{self, NameServer};
use common::{Act, Folder, Mta, Script, Session, Transcript, lines};

const BINARY: &str = env!("CARGO_BIN_EXE_smtp-wrapper");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a run of it printed, and its exit status.
struct Found {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Found {
    /// Expects a line of this severity with this in it.
    #[track_caller]
    fn says(&self, severity: &str, what: &str) -> &Found {
        let found = self
            .out
            .lines()
            .any(|line| line.starts_with(&format!("{severity} ")) && line.contains(what));
        assert!(found, "no {severity} {what:?} in\n{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn ends(&self, status: i32) -> &Found {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }
}

/// Runs it, with these arguments and no environment.
#[track_caller]
fn run(args: &[&str]) -> Found {
    // It has a limit for every wait of its own; this one fails the test.
    let mut command = Command::new("timeout");
    command.args(["20", BINARY]).args(args).env_clear().stdin(Stdio::null());
    let output =
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    Found { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Checks an MTA that follows the script; also gives what it heard.
#[track_caller]
fn check(script: Script, options: &[&str]) -> (Found, Mta) {
    let mta = Mta::follows(script, &Transcript::new());
    let address = mta.address().to_string();
    let has = |name: &str| options.contains(&name);
    let config = if has("--config") { &[][..] } else { &["--config", "none"] };
    let common = ["check", "--upstream", &address, "--hostname", "mx.example", "--log", "none"];
    let found = run(&[&common, config, options].concat());
    (found, mta)
}

/// A configuration in a folder of its own.
fn config(text: &str) -> (Folder, PathBuf) {
    let folder = Folder::fresh();
    let path = folder.file("c.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    (folder, path)
}

fn checked_with(text: &str, script: Script) -> (Found, Folder) {
    let (folder, path) = config(text);
    (check(script, &["--config", path.to_str().unwrap()]).0, folder)
}

const DENIED: &str = "554 5.7.1 Relay access denied";
/// An MTA that relays for nobody.
fn refusing() -> Script {
    Script::polite().on("RCPT TO:<probe", DENIED)
}

const RELAY: &str = "[[filter]]\ntype = \"relay\"\ndomains = [\"example.org\"]\n";
