//! Traces: the dialogue of some clients, in the log or in a file, and nothing of what is secret in it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{Folder, Script, Session};

/// A configuration with these lines in `[log]`.
fn configuration(folder: &Folder, log: &str) -> String {
    let path = folder.file("config.toml");
    fs::write(&path, format!("[log]\n{log}\n")).expect("a configuration");
    path.to_str().expect("a path").to_owned()
}

const DIALOGUE: &[&str] = &[
    "M: 220 mta.test ESMTP",
    "S: 220 mta.test ESMTP",
    "C: EHLO client.example",
    ">M: EHLO client.example",
    "C: AUTH PLAIN (credentials)",
    ">M: AUTH PLAIN (credentials)",
    "M: 235 2.7.0 welcome",
    "S: 235 2.7.0 welcome",
    "C: MAIL FROM:<a@client.example>",
    "C: RCPT TO:<b@mta.test>",
    "C: DATA",
    "S: 354 go ahead",
    "C: (22 octets of mail data)",
    ">M: (22 octets of mail data)",
    "M: 250 2.0.0 queued",
    "C: QUIT",
    "S: 221 2.0.0 goodbye",
];

/// A session with an AUTH and a message, and with this `[log]`.
fn session(folder: &Folder, log: &str) -> Session {
    let config = configuration(folder, log);
    let mta =
        Script::polite().on("EHLO", "250-mta.test\n250 AUTH PLAIN").on("AUTH", "235 2.7.0 welcome");
    let mut s = Session::with_options(mta, &["--config", &config]);
    s.greets();
    s.plays(
        "C: AUTH PLAIN c2VjcmV0
         S: 235 2.7.0 welcome
         C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: secret
         C: C: secret
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    s
}

/// These lines, in this order, others between them; and no secret.
#[track_caller]
fn is_the_dialogue(shown: &[String]) {
    let mut rest = shown.iter();
    for line in DIALOGUE {
        assert!(rest.any(|shown| shown == line), "no {line:?} in its place in {shown:#?}");
    }
    let secret = |line: &String| line.contains("secret") || line.contains("c2Vj");
    assert!(!shown.iter().any(secret), "{shown:#?}");
}

#[test]
fn a_trace_goes_to_the_log() {
    let folder = Folder::fresh();
    let s = session(
        &folder,
        r#"trace = ["192.0.2.0/24 until 2900-01-01T00:00Z", "127.0.0.1 until 2900-01-01T00:00Z"]"#,
    );
    let lines = s.logged("session=trace");
    let why = |line: &String| {
        let (_, rest) = line.split_once(" why=<").expect("a text");
        rest.split('>')
            .next()
            .unwrap_or_default()
            .replace("\\x20", " ")
            .replace("\\x3e", ">")
            .replace("\\x3c", "<")
    };
    is_the_dialogue(&lines.iter().map(why).collect::<Vec<_>>());
    let sid =
        |line: &str| line.split(' ').find(|field| field.starts_with("sid=")).map(str::to_owned);
    let end = s.logged("session=end");
    assert!(lines.iter().all(|line| sid(line) == sid(end.first().expect("an end"))));
}

#[test]
fn a_trace_goes_to_a_file() {
    let folder = Folder::fresh();
    fs::create_dir(folder.file("traces")).expect("a directory");
    let to = folder.file("traces");
    let log = format!(
        "trace = [\"127.0.0.0/8 until 2900-01-01T00:00:00Z\"]\ntrace_to = \"{}\"",
        to.display()
    );
    let s = session(&folder, &log);
    s.logs(0, "session=trace");
    let end = s.logged("session=end").concat();
    let sid = end.split("sid=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a name");
    let file = to.join(sid);
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).expect("the file");
    let shown = |line: &str| line.split_once(' ').map(|(_, rest)| rest.to_owned());
    is_the_dialogue(&text.lines().filter_map(shown).collect::<Vec<_>>());
}

#[test]
fn a_trace_that_is_over_or_of_others_is_none() {
    let folder = Folder::fresh();
    for entry in ["127.0.0.1 until 2026-01-01T00:00Z", "127.0.0.2 until 2900-01-01T00:00Z"] {
        session(&folder, &format!("trace = [\"{entry}\"]")).logs(0, "session=trace");
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_noted_and_stops_nothing() {
    let folder = Folder::fresh();
    let log = "trace = [\"127.0.0.1 until 2900-01-01T00:00Z\"]\ntrace_to = \"/nonexistent\"";
    let s = session(&folder, log);
    s.logs(0, "session=trace");
    s.logs(1, "session=note");
}

#[test]
fn a_trace_is_bounded() {
    let folder = Folder::fresh();
    let config = configuration(&folder, "trace = [\"127.0.0.1 until 2900-01-01T00:00Z\"]");
    let mut s = Session::with_options(Script::polite(), &["--config", &config]);
    s.greets();
    for _ in 0..200 {
        s.client.says(&format!("NOOP {}", "x".repeat(900)));
        s.client.reply();
    }
    s.quits();
    let lines = s.logged("session=trace");
    assert!(lines.len() < 400, "{} lines", lines.len());
    assert!(lines.last().is_some_and(|line| line.contains("too\\x20long")), "{:?}", lines.last());
}

/// What `check` says of a configuration with these lines in `[log]`.
fn check(folder: &Folder, log: &str) -> String {
    let config = configuration(folder, log);
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    command.args(["check", "--config", &config, "--upstream", "unix:/nonexistent"]);
    let output = command.current_dir(Path::new("/")).output().expect("check runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn mistakes_are_told_with_their_place() {
    let folder = Folder::fresh();
    for (log, what) in [
        ("trace = \"127.0.0.1\"", ":2: key \"trace\" in [log]: must be a list"),
        (
            "\ntrace = [\"127.0.0.1\"]",
            ":3: key \"trace\" in [log]: \"127.0.0.1\": must be an address",
        ),
        ("trace = [\"host until 2030-01-01T00:00Z\"]", ":2: key \"trace\""),
        ("trace = [\"127.0.0.1 until 2030-02-30T00:00Z\"]", ":2: key \"trace\""),
        ("trace = [\"127.0.0.1 until 2030-01-01T00:00Z or so\"]", ":2: key \"trace\""),
        ("trace = []\ntrace_to = \"here\"", ":3: key \"trace_to\" in [log]: must be a path"),
    ] {
        let said = check(&folder, log);
        assert!(said.contains(what), "{log}: {said}");
    }
}

#[test]
fn check_tells_of_traces() {
    let folder = Folder::fresh();
    let both =
        "trace = [\"192.0.2.7 until 2900-01-01T00:00Z\", \"192.0.2.8 until 2026-01-01T00:00Z\"]";
    let said = check(&folder, both);
    assert!(
        said.contains("192.0.2.7 until 2900-01-01T00:00Z: such sessions are written"),
        "{said}"
    );
    assert!(said.contains("the trace of 192.0.2.8 until 2026-01-01T00:00Z is over"), "{said}");
    let said = check(&folder, &format!("{both}\ntrace_to = \"/nonexistent\""));
    assert!(said.contains("trace_to: No such file"), "{said}");
}
