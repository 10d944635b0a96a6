//! The original's set-ups, played to this program and, if SMTP_WRAPPER_ORIGINAL names an smtp_wrapper
//! 0.5, to that one: the same replies by code and tag, and the same commands and messages at the MTA.
//!
//! The intended differences are listed in README; here they are avoided (HELO in place of EHLO, IPv4,
//! `--profile original`, `--reject-at connect`), or named in the table.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Client, Folder, Mta, PATIENCE, Script, Transcript};

/// A set-up and a session: what the client says, and the codes and tags that it gets.
struct Case {
    name: &'static str,
    options: &'static str,
    /// The filter program, if one is named by `FILTER` in the options.
    filter: &'static str,
    mta: bool,
    /// What is said before the greeting.
    early: &'static str,
    /// How many sessions come before the one that is looked at.
    before: usize,
    says: &'static [&'static str],
    gets: &'static [&'static str],
    message: bool,
}

const PLAIN: Case = Case {
    name: "no filter",
    options: "",
    filter: "",
    mta: true,
    early: "",
    before: 0,
    says: &[
        "HELO client.example",
        "MAIL FROM:<a@b>",
        "RCPT TO:<b@mta.test>",
        "DATA",
        "Subject: x\r\n\r\n..y\r\n.",
        "QUIT",
    ],
    gets: &["220", "250", "250", "250", "354", "250", "221"],
    message: true,
};

const CASES: &[Case] = &[
    PLAIN,
    Case { name: "IP filter passes", options: "-if FILTER", filter: "echo OK", ..PLAIN },
    Case { name: "IP filter says nothing", options: "-if FILTER", filter: "exit 1", ..PLAIN },
    Case {
        name: "IP filter refuses",
        options: "-if FILTER",
        filter: "echo no",
        says: &[],
        gets: &["450 SW02"],
        message: false,
        ..PLAIN
    },
    Case {
        name: "contents filter passes",
        options: "-f FILTER",
        filter: "sed '/^DATA.$/,$!d' | tail -n 2147483647",
        ..PLAIN
    },
    Case {
        name: "contents filter refuses",
        options: "-f FILTER",
        filter: "cat >/dev/null; echo no relay",
        gets: &["220", "250", "250", "250", "354", "450 SW10", "221"],
        message: false,
        ..PLAIN
    },
    Case {
        name: "early talker",
        options: "-d 1",
        early: "HELO client.example\r\n",
        says: &[],
        gets: &["450 SW05"],
        message: false,
        ..PLAIN
    },
    Case { name: "delay", options: "-d 1", ..PLAIN },
    Case { name: "no MTA", mta: false, says: &[], gets: &["451 SW03"], message: false, ..PLAIN },
    Case {
        name: "too fast",
        options: "-i 60",
        before: 1,
        says: &[],
        gets: &["421 SW01"],
        message: false,
        ..PLAIN
    },
];

/// A daemon, ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The code of a reply, and its tag if it has one.
fn shown(reply: &str) -> String {
    let tag = reply.find("SW").and_then(|at| reply.get(at..at + 4));
    let tag = tag.filter(|tag| tag.bytes().skip(2).all(|b| b.is_ascii_digit()));
    [reply.get(..3).unwrap_or(reply), tag.unwrap_or_default()].join(" ").trim_end().to_owned()
}

fn play(program: &Path, more: &[&str], case: &Case) -> (Vec<String>, Vec<Vec<u8>>) {
    let folder = Folder::fresh();
    let transcript = Transcript::new();
    let mta = Mta::follows(if case.mta { Script::polite() } else { Script::absent() }, &transcript);
    let filter = folder.file("filter");
    fs::write(&filter, format!("#!/bin/sh\n{}\n", case.filter)).unwrap();
    fs::set_permissions(&filter, fs::Permissions::from_mode(0o755)).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = case.options.replace("FILTER", filter.to_str().unwrap());
    let mut command = Command::new(program);
    command
        .args(more)
        .args(["-F", "-mh", "127.0.0.1", "-mp", &port.to_string(), "-sh", "127.0.0.1"])
        .args(["-sp", &mta.address().port().to_string()])
        .args(options.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir(folder.file(""));
    if !more.is_empty() {
        command.args(["--state", folder.file("").to_str().unwrap()]);
    }
    let _daemon = Daemon(command.spawn().unwrap());
    let connect = || {
        let began = Instant::now();
        loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(socket) => return socket,
                Err(error) => assert!(began.elapsed() < PATIENCE, "{}: {error}", case.name),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for _ in 0..case.before {
        let mut client = Client::on_socket(connect(), &transcript);
        client.reply();
        client.says("QUIT");
        client.rest();
    }
    let socket = connect();
    let mut client = Client::on_socket(socket, &transcript);
    client.sends(case.early.as_bytes());
    let mut got = vec![shown(&client.reply().concat())];
    for line in case.says {
        client.says(line);
        got.push(shown(&client.reply().concat()));
    }
    let messages = mta.heard().messages.iter().map(|message| message.data.clone()).collect();
    (got, messages)
}

#[test]
fn as_the_original_does() {
    let ours = Path::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    let options = [
        "listen",
        "--config",
        "none",
        "--profile",
        "original",
        "--reject-at",
        "connect",
        "--log",
        "none",
    ];
    let original = std::env::var_os("SMTP_WRAPPER_ORIGINAL");
    for case in CASES {
        let (got, messages) = play(ours, &options, case);
        assert_eq!(got, case.gets, "{}", case.name);
        assert_eq!(messages.len(), usize::from(case.message), "{}", case.name);
        if let Some(original) = &original {
            let theirs = play(Path::new(original), &[], case);
            assert_eq!((got, messages), theirs, "{}: ours, and the original's", case.name);
        }
    }
    match original {
        Some(_) => println!("{} cases, compared with the original", CASES.len()),
        None => println!("{} cases; no original is named in SMTP_WRAPPER_ORIGINAL", CASES.len()),
    }
}
