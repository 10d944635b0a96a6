//! Filters in real sessions: what is held, delayed, kept in the tarpit and counted, and what the log
//! says of it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Folder, Script, Session};

/// A session with this configuration, whose state is in the folder.
fn session(folder: &Folder, config: &str, options: &[&str]) -> Session {
    let path: PathBuf = folder.file("config.toml");
    let state = folder.file("");
    let text = format!("state = {state:?}\n{config}");
    // Sessions that run may be reading it.
    if fs::read_to_string(&path).is_ok_and(|now| now == text) {
        return session_with(&path, options);
    }
    fs::write(&path, text).unwrap();
    session_with(&path, options)
}

fn session_with(path: &Path, options: &[&str]) -> Session {
    let mut all = vec!["--config", path.to_str().unwrap()];
    all.extend(options);
    Session::with_options(Script::polite(), &all)
}

const DENY: &str = "[session]\nhostname = \"mx.example\"\n[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.0/8\"]\n";

#[test]
fn a_held_client_is_refused_at_rcpt_and_the_mta_not_called() {
    let folder = Folder::fresh();
    let mut s = session(&folder, DENY, &[]);
    s.plays("S: 220 mx.example ESMTP\nC: EHLO dialup.example\nS: 250-mx.example");
    s.client.reply();
    s.plays(
        "C: MAIL FROM:<a@b.example> SMTPUTF8
         S: 250 2.0.0 Ok
         C: RCPT TO:<c@d.example>
         S: 554 5.7.1 Refused by local policy [deny]
         C: DATA
         S: 554 5.5.1 No valid recipients
         C: QUIT
         S: 221 2.0.0 Bye
         S: (closed)",
    );
    s.ends(&[0]);
    assert_eq!(s.mta.connections(), 0);
    s.logs(1, "verdict=perm rule=deny code=554 at=rcpt helo=<dialup.example> from=<a@b.example> to=<c@d.example> why=<127.0.0.0/8>");
}

#[test]
fn postmaster_of_a_held_client_gets_mail_and_no_other() {
    let folder = Folder::fresh();
    let mut s = session(&folder, DENY, &[]);
    s.plays("S: 220 mx.example ESMTP\nC: EHLO dialup.example");
    s.client.reply();
    s.plays(
        "C: MAIL FROM:<a@b.example>
         S: 250 2.0.0 Ok
         C: RCPT TO:<c@d.example>
         S: 554 5.7.1 Refused by local policy [deny]
         C: RCPT TO:<Postmaster@d.example>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: ..x
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    s.mta_has_message(b"..x\r\n");
    s.mta_heard(
        "EHLO dialup.example
         MAIL FROM:<a@b.example>
         RCPT TO:<Postmaster@d.example>
         DATA
         ..x
         .
         QUIT",
    );
    // Unless told otherwise.
    let judge = DENY.replacen("[session]\n", "[session]\npostmaster = \"judge\"\n", 1);
    let mut s = session(&folder, &judge, &[]);
    s.plays(
        "S: 220 mx.example ESMTP\nC: HELO x\nS: 250 mx.example\nC: MAIL FROM:<>\nS: 250 2.0.0 Ok",
    );
    s.plays("C: RCPT TO:<postmaster>\nS: 554 5.7.1…\nC: QUIT\nS: 221…\nS: (closed)");
    s.ends(&[0]);
}

#[test]
fn reject_at_connect_and_the_originals_profile() {
    let program =
        |config: &str| format!("{config}[[filter]]\ntype = \"early\"\non_hit = \"tempfail\"\n");
    for (config, options, reply) in [
        (
            DENY.to_owned(),
            &["--reject-at", "connect"][..],
            "554 5.7.1 Refused by local policy [deny]",
        ),
        (
            DENY.to_owned() + "on_hit = \"tempfail\"\n",
            &["--reject-at", "connect"],
            "421 4.7.1 Refused by…",
        ),
        (program(""), &["--reject-at", "connect"], "421 4.5.1 You talked…"),
        (
            program(""),
            &["--reject-at", "connect", "--profile", "original"],
            "450 4.5.1 Wait for the greeting (SW05)",
        ),
    ] {
        let folder = Folder::fresh();
        // The client talks before the session begins.
        let (ours, theirs) = common::connection();
        use std::io::Write;
        (&ours).write_all(b"EHLO x\r\n").unwrap();
        let path = folder.file("config.toml");
        fs::write(&path, &config).unwrap();
        let command = common::Program::command(&folder.file(""));
        let mut all = vec!["--config", path.to_str().unwrap()];
        all.extend(options);
        let mut s = Session::on(ours, theirs, Script::polite(), Folder::fresh(), command, &all);
        s.client.gets(reply);
        if reply.starts_with('5') {
            s.plays("S: 503 5.5.1 No service here\nC: QUIT\nS: 221 2.0.0 Bye");
        }
        s.plays("S: (closed)");
        s.ends(&[0]);
        assert_eq!(s.mta.connections(), 0);
    }
}

#[test]
fn the_greet_delay_and_who_talks_meanwhile() {
    let delayed = |talks: bool, options: &[&str]| {
        let began = Instant::now();
        let mut s = Session::with_options(Script::polite(), options);
        if talks {
            s.client.says("EHLO client.example");
        }
        let greeting = s.client.reply();
        (s, greeting.concat(), began.elapsed())
    };
    let (mut s, greeting, took) = delayed(false, &["-d", "0.5"]);
    assert!(greeting == "220 mta.test ESMTP" && took > Duration::from_millis(450), "{took:?}");
    s.quits();
    // -nsc: it is no error, and shortens nothing.
    let (mut s, greeting, took) = delayed(true, &["-d", "0.5", "-nsc"]);
    assert!(greeting == "220 mta.test ESMTP" && took > Duration::from_millis(450), "{took:?}");
    s.client.reply();
    s.quits();
    let (mut s, greeting, took) = delayed(true, &["-d", "5", "--hostname", "mx.example"]);
    assert!(greeting == "220 mx.example ESMTP" && took < Duration::from_secs(2), "{took:?}");
    s.client.reply();
    s.plays(
        "C: MAIL FROM:<>\nS: 250…\nC: RCPT TO:<a@b>\nS: 554 5.5.1 You talked before the greeting",
    );
    s.plays("C: QUIT\nS: 221…\nS: (closed)");
    s.ends(&[0]);
    s.logs(1, "rule=early.talker at=rcpt");
}

#[test]
fn the_interval_counts_across_processes_and_exactly_one_of_many_passes() {
    let folder = Folder::fresh();
    let config =
        "[session]\nreject_at = \"connect\"\n[[filter]]\ntype = \"interval\"\nleast = \"20s\"\n";
    let mut sessions: Vec<_> = (0..20).map(|_| session(&folder, config, &[])).collect();
    let greetings: Vec<_> = sessions.iter_mut().map(|s| s.client.reply().concat()).collect();
    let passed = greetings.iter().filter(|greeting| greeting.starts_with("220")).count();
    assert_eq!(passed, 1, "{greetings:?}");
    assert!(greetings.iter().all(|g| g.starts_with("220") || g.starts_with("421 4.7.0 Too many")));
    drop(sessions);
    // Who waits long enough comes in; a refused connection did not count.
    let config = config.replace("20s", "300ms");
    let mut s = session(&folder, &config, &[]);
    std::thread::sleep(Duration::from_millis(10));
    let again = Instant::now();
    while !s.client.reply().concat().starts_with("220") {
        assert!(again.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(50));
        s = session(&folder, &config, &[]);
    }
    s.quits();
}

#[test]
fn damaged_or_missing_state_refuses_nobody() {
    let folder = Folder::fresh();
    let config =
        "[session]\nreject_at = \"connect\"\n[[filter]]\ntype = \"interval\"\nleast = \"1s\"\n";
    for octets in
        [vec![0xff; 3_000_000], vec![0x41; 100], (0..2_000_000).map(|n| n as u8).collect()]
    {
        fs::write(folder.file("intervals"), octets).unwrap();
        let mut s = session(&folder, config, &[]);
        s.greets();
        s.quits();
        std::thread::sleep(Duration::from_millis(1100));
    }
    fs::remove_file(folder.file("intervals")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.file("intervals")).unwrap();
    for state in [None, Some("/nonexistent")] {
        let options: Vec<_> = state.iter().flat_map(|state| ["--state", *state]).collect();
        let mut s = session(&folder, config, &options);
        s.greets();
        s.quits();
        s.logs(1, "session=note filter=interval why=<.*>");
    }
}

fn tarpit(then: &str, time: &str, at_once: u32) -> String {
    format!(
        "[tarpit]\nat_once = {at_once}\n[session]\nhostname = \"mx.example\"\n[[filter]]\ntype = \"deny\"\n\
         entries = [\"127.0.0.0/8\"]\non_hit = \"tarpit\"\ntarpit = \"{time}\"\nthen = \"{then}\"\n"
    )
}

#[test]
fn the_tarpit_holds_then_refuses_or_passes() {
    for (then, greeting, reply) in
        [("refuse", "220 mx.example ESMTP", "554 5.7.1…"), ("pass", "220 mta.test ESMTP", "250…")]
    {
        let folder = Folder::fresh();
        let began = Instant::now();
        let mut s = session(&folder, &tarpit(then, "500ms", 5), &[]);
        s.client.gets(greeting);
        assert!(began.elapsed() > Duration::from_millis(450), "{:?}", began.elapsed());
        s.plays("C: HELO x\nS: 250…\nC: MAIL FROM:<>\nS: 250…\nC: RCPT TO:<a@b>");
        s.client.gets(reply);
        s.plays("C: QUIT\nS: 221…\nS: (closed)");
        s.ends(&[0]);
    }
}

#[test]
fn a_client_that_leaves_the_tarpit_is_let_go_at_once() {
    let folder = Folder::fresh();
    let mut s = session(&folder, &tarpit("pass", "1h", 5), &[]);
    s.client.hears_nothing(Duration::from_millis(300));
    s.client.leaves();
    s.ends(&[0]);
    s.took_less_than(Duration::from_secs(2));
    s.logs(1, "session=end end=client-left rule=deny");
    assert_eq!(s.mta.connections(), 0);
}

#[test]
fn a_full_tarpit_is_450_without_a_wait_and_a_killed_session_frees_its_place() {
    let folder = Folder::fresh();
    let config = tarpit("pass", "1h", 2);
    let mut held: Vec<_> = (0..2).map(|_| session(&folder, &config, &[])).collect();
    held.iter_mut().for_each(|s| s.client.hears_nothing(Duration::from_millis(200)));
    let refused = |s: &mut Session| {
        s.plays("S: 220 mx.example ESMTP\nC: HELO x\nS: 250…\nC: MAIL FROM:<>\nS: 250…\nC: RCPT TO:<a@b>");
        s.plays("S: 450 4.7.1 Refused by local policy [deny]\nC: QUIT\nS: 221…\nS: (closed)");
        s.ends(&[0]);
    };
    refused(&mut session(&folder, &config, &[]));
    held.pop().unwrap().program.child().kill().unwrap();
    let mut next = session(&folder, &config, &[]);
    next.client.hears_nothing(Duration::from_millis(300));
    refused(&mut session(&folder, &config, &[]));
    // Without a state directory there are no places: nobody is held.
    let mut s = session(&folder, &config, &["--state", "/nonexistent"]);
    refused(&mut s);
    s.logs(1, "session=note filter=deny why=<.*tarpit.*>");
}

#[test]
fn what_is_only_observed_is_in_the_log() {
    let folder = Folder::fresh();
    let mut s = session(&folder, &(DENY.to_owned() + "observe = true\n"), &[]);
    s.opens_a_message();
    s.plays("C: .\nS: 250 2.0.0 queued");
    s.quits();
    s.logs(1, "verdict=pass rule=mta code=250 at=message would=554:deny");
    s.logs(1, "session=end refused=0 rule=-");
}

#[test]
fn recipients_are_judged_each() {
    let folder = Folder::fresh();
    let config = "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.0/8\"]\nexcept = [\"to:abuse@\"]\n\
                  [[filter]]\ntype = \"relay\"\ndomains = [\"mta.test\"]\n";
    let mut s = session(&folder, config, &[]);
    s.greets();
    s.plays(
        "C: MAIL FROM:<a@b>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<c@mta.test>
         S: 554 5.7.1 Refused by local policy [deny]
         C: RCPT TO:<abuse@other.test>
         S: 554 5.7.1 Relaying denied
         C: RCPT TO:<abuse@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    s.mta_has_message(b"");
}

#[test]
fn sigterm_in_the_tarpit_is_421() {
    let folder = Folder::fresh();
    let mut s = session(&folder, &tarpit("pass", "1h", 5), &[]);
    s.client.hears_nothing(Duration::from_millis(300));
    s.program.terminate();
    s.plays("S: 421 4.3.2…\nS: (closed)");
    s.ends(&[0]);
}

#[test]
fn a_refusal_at_connect_is_logged_with_its_rule_and_reason() {
    let folder = Folder::fresh();
    let mut s = session(&folder, DENY, &["--reject-at", "connect"]);
    s.plays(
        "S: 554 5.7.1 Refused by local policy [deny]
         C: EHLO x
         S: 503 5.5.1 No service here
         C: MAIL FROM:<a@b>
         S: 503 5.5.1 No service here
         C: RCPT TO:<c@d>
         S: 503 5.5.1 No service here
         C: QUIT
         S: 221 2.0.0 Bye
         S: (closed)",
    );
    s.ends(&[0]);
    s.logs(1, "verdict=perm rule=deny code=503 at=rcpt to=<c@d>");
    s.logs(1, "session=end end=quit why=<127.0.0.0/8> refused=4 rule=deny");
}

#[test]
fn recipients_without_end_take_no_memory() {
    let folder = Folder::fresh();
    let observed = "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.0/8\"]\nobserve = true\n";
    let config = format!("{observed}[[filter]]\ntype = \"deny\"\nentries = [\"to:d.example\"]\n");
    let mut s = session(&folder, &config, &[]);
    s.greets();
    s.plays("C: MAIL FROM:<a@b>\nS: 250…");
    let line = format!("RCPT TO:<{}@d.example>\r\n", "x".repeat(1900)).into_bytes();
    let mut memory = Vec::new();
    for count in [1500, 3000] {
        // Their lines in the log come first; the syslog socket holds few.
        for _ in 0..count / 100 {
            s.client.sends(&line.repeat(100));
            for _ in 0..100 {
                s.client.gets("554 5.7.1…");
            }
        }
        let status = format!("/proc/{}/status", s.program.child().id());
        let status = fs::read_to_string(status).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        memory.push(size.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
    }
    assert!(memory.last() < memory.first().map(|size| size + 500).as_ref(), "{memory:?}");
    s.quits();
}
