//! PROXY headers of balancers in front of us.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Act, Client, Folder, Program, Script, Session, Syslog, Transcript, connection, contains, each,
};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 4000 25\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xc0\0\x02\x07\xc6\x33\x64\x09\x0f\xa0\0\x19\
                    \x04\0\x04abcd";

/// A session behind a balancer at one of these addresses.
fn behind(balancers: &str, more: &str, script: Script, options: &[&str]) -> (Session, Folder) {
    let folder = Folder::fresh();
    let path = folder.file("config.toml");
    fs::write(&path, format!("[session]\nproxy_from = {balancers}\n{more}")).unwrap();
    let options = [&["--config", path.to_str().unwrap()], options].concat();
    (Session::with_options(script, &options), folder)
}

const TRUSTED: &str = "[\"127.0.0.0/8\"]";

#[test]
fn the_client_is_whom_the_header_names() {
    for header in [V1, V2] {
        let (mut s, _folder) = behind(TRUSTED, "", Script::polite(), &[]);
        s.client.sends(header);
        s.greets();
        s.quits();
        s.logs(1, "session=end end=quit ip=.192.0.2.7. port=4000");
        s.mta_heard("EHLO client.example\nQUIT\n");
    }
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::9 4000 25\r\n";
    for (header, logged) in [
        (v6.as_slice(), "ip=.2001:db8::7. port=4000"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.9 1 25\r\n", "ip=.192.0.2.7. port=1"),
        (b"PROXY UNKNOWN\r\n", "ip=.127.0.0.1."),
        (b"PROXY UNKNOWN ffff::1 x y\r\n", "ip=.127.0.0.1."),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "ip=.127.0.0.1."),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0", "ip=.127.0.0.1."),
    ] {
        let (mut s, _folder) = behind(TRUSTED, "", Script::polite(), &[]);
        // All in one, as it may come: what is behind the header is the session's.
        s.client.sends(&[header, b"EHLO client.example\r\n"].concat());
        s.plays("S: 220 mta.test ESMTP");
        s.client.reply();
        s.quits();
        s.logs(1, &format!("session=end end=quit {logged}"));
    }
}

#[test]
fn it_may_come_in_pieces() {
    let cases: Vec<(&[u8], usize)> = [V1, V2]
        .into_iter()
        .flat_map(|header| (1..header.len()).map(move |at| (header, at)))
        .collect();
    each(&cases, |(header, at)| {
        let (mut s, _folder) = behind(TRUSTED, "", Script::polite(), &[]);
        let (head, tail) = header.split_at(*at);
        s.client.sends(head);
        thread::sleep(Duration::from_millis(10));
        s.client.sends(&[tail, b"NOOP\r\n"].concat());
        s.plays("S: 220 mta.test ESMTP\nS: 250 2.0.0 nothing done");
        s.quits();
        s.logs(1, "session=end ip=.192.0.2.7. port=4000");
    });
    each(&[V1, V2], |header| {
        let (mut s, _folder) = behind(TRUSTED, "", Script::polite(), &[]);
        s.client.trickles(header, 1, Duration::from_millis(2));
        s.plays("S: 220 mta.test ESMTP");
        s.quits();
    });
}

#[test]
fn filters_programs_and_the_mta_get_the_true_client() {
    let folder = Folder::fresh();
    let program = folder.file("filter.sh");
    fs::write(&program, "#!/bin/sh\nenv >\"$0.env\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let filters = format!(
        "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"{}\"]\n\
         [[filter]]\ntype = \"deny\"\nentries = [\"192.0.2.7\"]\n",
        program.display()
    );
    let script = Script::polite().on("PROXY", Act::Say(Vec::new()));
    let options = ["--identity", "proxy-v1", "--hostname", "mx.example"];
    let (mut s, _folder) = behind(TRUSTED, &filters, script, &options);
    s.client.sends(V1);
    s.plays(
        "S: 220 mx.example ESMTP
         C: HELO x
         S: 250 mx.example
         C: MAIL FROM:<a@b>
         S: 250 2.0.0 Ok
         C: RCPT TO:<c@mta.test>
         S: 554 5.7.1 Refused by local policy [deny]
         C: RCPT TO:<postmaster>
         S: 250 2.1.5 recipient ok",
    );
    s.quits();
    assert!(s.mta.heard().octets.starts_with(V1), "{}", s.transcript);
    let environment = fs::read_to_string(folder.file("filter.sh.env")).unwrap();
    for line in [
        "SW_FROM_IP=192.0.2.7",
        "TCPREMOTEIP=192.0.2.7",
        "TCPREMOTEPORT=4000",
        "REMOTE_ADDR=192.0.2.7",
        "REMOTE_PORT=4000",
        "TCPLOCALIP=198.51.100.9",
        "TCPLOCALPORT=25",
    ] {
        assert!(environment.lines().any(|l| l == line), "{line}: {environment}");
    }
}

/// A connection of a balancer that comes to no session; gives the line of the log.
fn no_session(says: impl FnOnce(&mut Client)) -> String {
    let folder = Folder::fresh();
    let path = folder.file("config.toml");
    fs::write(&path, format!("[session]\nproxy_from = {TRUSTED}\n")).unwrap();
    let log = Syslog::at(folder.file("log"));
    let mut command = Program::command(&folder.file(""));
    command.args(["--config", path.to_str().unwrap(), "--upstream", "unix:/nonexistent"]);
    command.args(["--log", &format!("syslog:{}", log.path().display())]);
    let (ours, theirs) = connection();
    let transcript = Transcript::new();
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.forgiving = true;
    says(&mut client);
    assert_eq!(program.status(), Some(0));
    log.stops();
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.concat()
}

#[test]
fn what_is_no_header_ends_the_connection_without_a_word() {
    let odd: [&[u8]; 8] = [
        b"EHLO client.example\r\n",
        b"QUIT\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 4000\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 4000 25\nEHLO x\r\n",
        &[b'P'; 200],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    each(&odd, |octets| {
        let line = no_session(|client| {
            client.sends(octets);
            client.is_closed();
        });
        assert!(line.starts_with("<19>"), "{line}");
        assert!(line.contains(" ip=[127.0.0.1] "), "{line}");
        assert!(line.contains(" session=none end=no-proxy-header why=<the"), "{line}");
    });
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 5000]].concat();
    let line = no_session(|client| {
        client.sends_if_open(&long);
        client.is_closed();
    });
    assert!(line.contains("too\\x20long"), "{line}");
}

#[test]
fn a_header_that_does_not_come() {
    let short = [V1, V2].map(|header| header.split_last().unwrap().1);
    each(&[b"".as_slice(), b"PRO", short[0], short[1]], |octets| {
        let began = Instant::now();
        let line = no_session(|client| {
            client.sends(octets);
            client.is_closed();
        });
        let took = began.elapsed();
        assert!(took > Duration::from_secs(4) && took < Duration::from_secs(7), "{took:?}");
        assert!(line.contains("did\\x20not\\x20come\\x20in\\x20time"), "{line}");
    });
    // A trickle has no more time.
    let began = Instant::now();
    no_session(|client| {
        for octet in V1 {
            client.sends_if_open(&[*octet]);
            thread::sleep(Duration::from_millis(200));
        }
        client.rest();
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    let line = no_session(Client::leaves);
    // Whoever only looks whether we are there is no trouble.
    assert!(line.starts_with("<22>") && line.contains("sent\\x20nothing"), "{line}");
    let line = no_session(|client| {
        client.sends(V1.split_at(20).0);
        client.half_closes();
        client.is_closed();
    });
    assert!(line.starts_with("<19>") && line.contains("closed\\x20within"), "{line}");
}

#[test]
fn from_anybody_else_it_is_an_unknown_command() {
    let (mut s, _folder) = behind("[\"192.0.2.1\", \"::1\"]", "", Script::polite(), &[]);
    s.client.sends(V1);
    s.plays("S: 220 mta.test ESMTP\nS: 500 5.5.1 Command not recognized");
    s.quits();
    s.logs(1, "session=end ip=.127.0.0.1.");
    assert!(!contains(&s.mta.heard().octets, b"PROXY"));
    let mut s = Session::starts();
    s.client.sends(V1);
    s.plays("S: 220 mta.test ESMTP\nS: 500 5.5.1 Command not recognized");
    s.quits();
    // A second header is no header.
    let (mut s, _folder) = behind(TRUSTED, "", Script::polite(), &[]);
    s.client.sends(&[V1, b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n"].concat());
    s.plays("S: 220 mta.test ESMTP\nS: 500 5.5.1 Command not recognized");
    s.quits();
    s.logs(1, "session=end ip=.192.0.2.7.");
}

#[test]
fn balancers_are_addresses() {
    for (list, why) in [
        ("[\"balancer.example\"]", "neither an address nor a network"),
        ("[\"from:a@b\"]", "must be addresses and networks"),
        ("[]", "must be addresses and networks"),
        ("[\"192.0.2.1/24\"]", "bits behind"),
        ("\"192.0.2.1\"", "must be a list"),
    ] {
        let folder = Folder::fresh();
        let path = folder.file("config.toml");
        fs::write(&path, format!("[session]\nproxy_from = {list}\n")).unwrap();
        let output = Program::command(&folder.file(""))
            .args(["compile", path.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(":2: key \"proxy_from\" in [session]: ") && said.contains(why),
            "{said}"
        );
    }
}
