//! The log: where it goes, that nothing from outside can forge a line of it, and that mail does not
//! wait for it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Client, Folder, Mta, Program, Script, Session, Transcript, connection, copy};

fn plain(folder: &Folder) -> Command {
    Program::command(&folder.file(""))
}

#[test]
fn log_lines_cannot_be_forged() {
    let mta = Script::polite()
        .on("RCPT TO:<\"x", "550 5.1.1 no\x1b[31m\x07 such> verdict=pass user")
        .on(".", "250 2.0.0 queued\u{a0}as \x0bx");
    let mut s = Session::with(mta);
    s.plays("S: 220 mta.test ESMTP\nC: EHLO a> verdict=pass to=<x\u{85}");
    s.client.reply();
    s.plays(
        "C: MAIL FROM:<\"> session=end to=<\"@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<\"x> verdict=pass code=250 \"@mta.test>
         S: 550 5.1.1 no?[31m? such> verdict=pass user
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: x
         C: .
         S: 250 2.0.0 queued…",
    );
    s.quits();
    s.logs(2, r"verdict=\w+ to=<\S*>");
    s.logs(1, "verdict=pass");
    s.logs(1, "verdict=perm code=550");
    for line in s.log.lines() {
        let mut keys: Vec<_> = line.split(' ').filter_map(|field| field.split_once('=')).collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup_by_key(|(key, _)| *key);
        assert_eq!(keys.len(), all, "a key twice in {line}");
    }
}

/// A session with fd 2 apart from the client, and what was written to it.
fn stderr_of(environment: impl FnOnce(&OwnedFd) -> Vec<(String, String)>, log: &[&str]) -> String {
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let mta = Mta::follows(Script::polite(), &transcript);
    let (ours, theirs) = connection();
    // As the journal's: a stream socket.
    let (reader, writer) = UnixStream::pair().expect("a pair");
    let (theirs, writer) = (OwnedFd::from(theirs), OwnedFd::from(writer));
    let mut command = plain(&folder);
    command.args(["--upstream", &mta.address().to_string()]).args(log).envs(environment(&writer));
    command.stdin(copy(&theirs)).stdout(theirs).stderr(writer);
    let mut program = Program::starts(command, &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("220 mta.test ESMTP");
    client.says("QUIT");
    client.gets("221 2.0.0 goodbye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    std::io::read_to_string(reader).expect("what it wrote")
}

/// JOURNAL_STREAM for this descriptor.
fn journal(descriptor: &OwnedFd) -> String {
    let file = std::fs::File::from(descriptor.try_clone().expect("dup"));
    let metadata = file.metadata().expect("fstat");
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[test]
fn the_journal_is_fd_2_if_it_says_so() {
    let written = stderr_of(|fd| vec![("JOURNAL_STREAM".into(), journal(fd))], &[]);
    let line = written.lines().next().expect("a line");
    // sd-daemon(3): a level, and no date.
    assert!(line.starts_with("<6>v=1 "), "{written:?}");
    assert_eq!(written.matches("session=end").count(), 1, "{written:?}");
    assert!(written.ends_with('\n'));
}

#[test]
fn stderr_takes_the_log_if_told_so() {
    let written = stderr_of(|_| Vec::new(), &["--log", "stderr"]);
    assert_eq!(written.matches("session=end").count(), 1, "{written:?}");
}

#[test]
fn nothing_is_written_to_an_fd_2_that_is_not_the_journal() {
    // A name left over from a parent's journal, for instance.
    let written = stderr_of(|_| vec![("JOURNAL_STREAM".into(), "8:1".into())], &[]);
    assert_eq!(written, "");
    assert_eq!(stderr_of(|_| Vec::new(), &["--log", "none"]), "");
}

#[test]
fn the_clients_connection_never_takes_the_log() {
    // --log stderr under inetd, where fd 2 is the client.
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let mta = Mta::follows(Script::polite(), &transcript);
    let (ours, theirs) = connection();
    let theirs = OwnedFd::from(theirs);
    let mut command = plain(&folder);
    command.args(["--upstream", &mta.address().to_string(), "--log", "stderr"]);
    command.env("JOURNAL_STREAM", journal(&theirs));
    let mut program = Program::on_socket(command, theirs, &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.gets("220 mta.test ESMTP");
    client.says("QUIT");
    client.gets("221 2.0.0 goodbye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
}

/// One message delivered with this log socket; how long it took.
fn delivery_logging_to(path: &Path) -> Duration {
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let (ours, theirs) = connection();
    let mta = Mta::follows(Script::polite(), &transcript);
    let mut command = Program::command(&folder.file(""));
    command.args(["--upstream", &mta.address().to_string(), "--log"]);
    command.arg(format!("syslog:{}", path.display()));
    let began = Instant::now();
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    let rcpt = "RCPT TO:<b@mta.test>";
    for said in ["", "EHLO client.example", "MAIL FROM:<>", rcpt, rcpt, rcpt, "DATA", ".", "QUIT"] {
        if !said.is_empty() {
            client.says(said);
        }
        assert!(client.reply().iter().all(|line| line.starts_with(['2', '3'])));
    }
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    assert_eq!(mta.heard().messages.len(), 1);
    began.elapsed()
}

#[test]
fn mail_goes_through_without_a_log() {
    let folder = Folder::fresh();
    // No such file; nobody behind it any more; no socket at all; not even a directory.
    drop(UnixDatagram::bind(folder.file("stale")).expect("a socket"));
    std::fs::write(folder.file("file"), "").expect("a file");
    for name in ["missing", "stale", "file", "no/where"] {
        let took = delivery_logging_to(&folder.file(name));
        assert!(took < Duration::from_secs(1), "{name}: {took:?}");
    }
}

#[test]
fn mail_goes_through_when_nobody_reads_the_log() {
    let folder = Folder::fresh();
    let full = UnixDatagram::bind(folder.file("full")).expect("a socket");
    let filling = UnixDatagram::unbound().expect("a socket");
    filling.set_nonblocking(true).expect("O_NONBLOCK");
    while filling.send_to(b"full", folder.file("full")).is_ok() {}
    let took = delivery_logging_to(&folder.file("full"));
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(full);
}
