//! Filters that go by the client's host name, in real sessions and with a real name server.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::dns::{Does, NameServer, a, ptr};
use common::{Client, Folder, Mta, Program, Script, Session, Syslog, Transcript, each};

const REVERSE: &str = "1.0.0.127.in-addr.arpa";

/// A session with these filters; the client is 127.0.0.1.
fn session(server: &NameServer, filters: &str) -> (Session, Folder) {
    let folder = Folder::fresh();
    let path = folder.file("config.toml");
    let head = format!(
        "[session]\nhostname = \"mx.example\"\n[dns]\nservers = [\"{}\"]\ntime_limit = \"1s\"\n",
        server.address()
    );
    fs::write(&path, head + filters).unwrap();
    (Session::with_options(Script::polite(), &["--config", path.to_str().unwrap()]), folder)
}

fn filter(kind: &str, keys: &str) -> String {
    format!("[[filter]]\ntype = \"{kind}\"\n{keys}\n")
}

/// What the client is told at RCPT, and the line of it in the log.
fn at_rcpt((mut s, _folder): (Session, Folder)) -> (String, String) {
    let said = s.asks_for_a_recipient();
    let lines = s.log.lines();
    let line = lines.iter().find(|line| line.contains(" verdict=")).expect("a line").clone();
    (said, line)
}

#[test]
fn the_rules_and_what_they_say() {
    let s25r = filter("s25r", "local = true");
    let fcrdns = filter("fcrdns", "local = true");
    let named = |name: &str| NameServer::new().host("127.0.0.1", name);
    let soft = "450 4.7.25 reverse lookup failure, be patient";
    for (server, filters, said, logged) in [
        (named("mail.example.org"), &s25r, "250", "ptr=<mail.example.org> fcrdns=pass dns=2/"),
        (
            named("p1234-ipbf205.tokyo.example.jp"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r1]",
            "rule=s25r.r1 code=450",
        ),
        (
            named("host12345.example.net"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r2]",
            "rule=s25r.r2",
        ),
        (
            named("12.34.56.dyn.example.net"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r3]",
            "rule=s25r.r3",
        ),
        (named("a1.b2-3.example"), &s25r, "450 4.7.1 S25R check, be patient [r4]", "rule=s25r.r4"),
        (
            named("a1.b2.c.example.net"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r5]",
            "rule=s25r.r5",
        ),
        (
            named("vdsl5.example.net"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r6]",
            "rule=s25r.r6",
        ),
        (NameServer::new(), &s25r, soft, "rule=s25r.r0 code=450"),
        (NameServer::new(), &fcrdns, soft, "rule=fcrdns.no-ptr"),
        (
            NameServer::new().knows(REVERSE, ptr(&["mail.example.org"])),
            &s25r,
            soft,
            "rule=s25r.r0 code=450",
        ),
        (
            NameServer::new().knows(REVERSE, ptr(&["mail.example.org"])),
            &fcrdns,
            soft,
            "rule=fcrdns.not-confirmed",
        ),
        // One of several names is enough.
        (
            named("mail.example.org")
                .knows(REVERSE, ptr(&["vdsl5.example.net", "mail.example.org"]))
                .knows("vdsl5.example.net", a(&["127.0.0.1"])),
            &s25r,
            "250",
            "fcrdns=pass dns=3/",
        ),
        // No answer is no reason to refuse, and quick to be seen.
        (
            NameServer::new().knows(REVERSE, Does::Code(2)),
            &s25r,
            "250",
            "ptr=- fcrdns=temperror dns=1/servfail/",
        ),
        (
            NameServer::new().knows(REVERSE, Does::Silence),
            &s25r,
            "250",
            "ptr=- fcrdns=temperror dns=1/timeout/10",
        ),
        (
            NameServer::new().knows(REVERSE, Does::Silence),
            &filter("s25r", "local = true\non_error = \"tempfail\""),
            "451 4.3.0",
            "rule=filter.broken code=451",
        ),
        // A provider's names hit, and are known.
        (
            named("mail-ed1-f45.google.com"),
            &s25r,
            "450 4.7.1 S25R check, be patient [r1]",
            "rule=s25r.r1",
        ),
        (
            named("mail.example.org"),
            &filter("s25r", "local = true\nrules = \"original\""),
            "250",
            "fcrdns=pass",
        ),
        (
            named("a1b2"),
            &filter("s25r", "local = true\nrules = \"original\""),
            "450 4.7.1 S25R check, be patient [r1]",
            "rule=s25r.r1",
        ),
        (named("a1b2"), &s25r, "250", "fcrdns=pass"),
        (
            named("vdsl5.example.net"),
            &filter("s25r", "local = true\nobserve = true"),
            "250",
            "would=450:s25r.r6",
        ),
    ] {
        let (reply, line) = at_rcpt(session(&server, filters));
        assert!(reply.starts_with(said), "{logged}: {reply}\n{line}");
        assert!(line.contains(logged), "{logged}\n{line}");
    }
}

#[test]
fn addresses_without_public_names_are_not_judged_and_nobody_is_asked() {
    let filters = [filter("s25r", ""), filter("fcrdns", ""), filter("allow", "providers = true")];
    each(&filters, |filters| {
        let server = NameServer::new();
        let (reply, line) = at_rcpt(session(&server, filters));
        assert!(reply.starts_with("250"), "{reply}");
        assert!(line.contains(" ptr=- fcrdns=- dns=- "), "{line}");
        assert_eq!(server.asked(), 0);
    });
}

#[test]
fn lists_with_host_names() {
    let deny_all = filter("deny", "entries = [\"127.0.0.0/8\"]");
    let server = || NameServer::new().host("127.0.0.1", "mx.Example.org");
    let unanswered = || NameServer::new().knows(REVERSE, Does::Code(2));
    for (server, filters, said) in [
        (server(), filter("deny", "entries = [\"mx.example.org\"]"), "554"),
        (server(), filter("deny", "entries = [\".example.org\"]"), "554"),
        (server(), filter("deny", "entries = [\"example.org\", \"badmx.example.org\"]"), "250"),
        (server(), filter("allow", "entries = [\".example.org\"]") + &deny_all, "250"),
        (server(), filter("deny", "entries = [\"127.0.0.1\"]\nexcept = [\".example.org\"]"), "250"),
        (server(), filter("deny", "entries = [\"127.0.0.1\"]\nonly = [\".example.net\"]"), "250"),
        // A name that does not lead back is none.
        (
            NameServer::new().knows(REVERSE, ptr(&["mx.example.org"])),
            filter("allow", "entries = [\".example.org\"]") + &deny_all,
            "554",
        ),
        // Whom an entry would spare is not refused for good when DNS is silent.
        (unanswered(), filter("allow", "entries = [\".example.org\"]") + &deny_all, "450"),
        (
            unanswered(),
            filter("deny", "entries = [\"127.0.0.1\"]\nexcept = [\".example.org\"]"),
            "450",
        ),
        (unanswered(), filter("deny", "entries = [\"mx.example.org\"]"), "250"),
        (unanswered(), deny_all.clone(), "554"),
    ] {
        let (reply, line) = at_rcpt(session(&server, &filters));
        assert!(reply.starts_with(said), "{filters}{reply}\n{line}");
    }
    // An address that is found first asks nobody.
    let server = server();
    let filters = filter("allow", "entries = [\"127.0.0.1\", \".example.org\"]") + &deny_all;
    assert!(at_rcpt(session(&server, &filters)).0.starts_with("250"));
    assert_eq!(server.asked(), 0);
}

#[test]
fn the_greet_delay_and_dns_take_the_longer_of_the_two() {
    let late = |ms| Does::Late(Duration::from_millis(ms), Box::new(ptr(&["vdsl5.example.net"])));
    let server = NameServer::new().host("127.0.0.1", "vdsl5.example.net").knows(REVERSE, late(500));
    let began = Instant::now();
    let early = filter("early", "delay = \"600ms\"");
    let (reply, _) = at_rcpt(session(&server, &(early + &filter("s25r", "local = true"))));
    assert!(reply.starts_with("450 4.7.1"), "{reply}");
    let took = began.elapsed();
    assert!((600..1000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_client_that_leaves_while_dns_is_asked() {
    let server = NameServer::new().knows(REVERSE, Does::Silence);
    let (mut s, _folder) = session(&server, &filter("s25r", "local = true"));
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    s.client.leaves();
    assert_eq!(s.program.status(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(s.mta.connections(), 0);
}

#[test]
fn without_a_configuration_the_rules_run_but_not_for_providers() {
    let server = NameServer::new()
        .host("192.0.2.1", "mail.example.org")
        .host("192.0.2.2", "vdsl5.example.net")
        .host("192.0.2.3", "mail-ed1-f45.google.com")
        .host("2001:db8::1", "vdsl6.example.net");
    assert!(
        !std::path::Path::new("/etc/smtp-wrapper").exists(),
        "this machine has a configuration"
    );
    let dns = server.address().to_string();
    for (ip, options, said) in [
        ("192.0.2.1", &[][..], "250"),
        ("192.0.2.2", &[], "450 4.7.1 S25R check, be patient [r6]"),
        ("192.0.2.3", &[], "250"),
        ("192.0.2.4", &[], "450 4.7.25 reverse lookup failure, be patient"),
        ("2001:db8::1", &[], "250"),
        ("10.1.2.3", &[], "250"),
        ("192.0.2.2", &["--config", "none"], "250"),
        // Who comes from the original has filters of his own, or none.
        ("192.0.2.2", &["--profile", "original"], "250"),
        ("192.0.2.2", &["-if", "/bin/true"], "250"),
        ("192.0.2.2", &["-d", "0"], "450"),
    ] {
        let (transcript, folder) = (Transcript::new(), Folder::fresh());
        let mta = Mta::follows(Script::polite(), &transcript);
        let log = Syslog::at(folder.file("log"));
        let mut command = Program::command(&folder.file(""));
        command.args(["--upstream", &mta.address().to_string(), "--dns", &dns]);
        command.args(["--log", &format!("syslog:{}", log.path().display())]).args(options);
        command.env("TCPREMOTEIP", ip).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut program = Program::starts(command, &transcript);
        let input = program.child().stdout.take().expect("a pipe");
        let output = program.child().stdin.take().expect("a pipe");
        let mut client = Client::on_pipes(OwnedFd::from(input), OwnedFd::from(output), &transcript);
        client.reply();
        client.says("HELO client.example");
        client.reply();
        client.says("MAIL FROM:<a@b.example>");
        client.reply();
        client.says("RCPT TO:<c@d.example>");
        let reply = client.line().expect("a reply");
        assert!(reply.starts_with(said), "{ip} {options:?}: {reply}");
        client.says("QUIT");
        client.reply();
        assert_eq!(program.status(), Some(0));
    }
}
