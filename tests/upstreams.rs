//! Several MTAs, and MTAs on Unix sockets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use common::{Act, Folder, Mta, Program, Script, Session, Transcript, connection, contains};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

const AWAY: &str = "S: 421 4.3.0 Mail system not available, try again later\nS: (closed)";

/// A session whose second MTA, at this address, is polite.
fn second(first: Script, options: &[&str]) -> (Session, Mta) {
    let second =
        Mta::follows(Script::polite().on("(greeting)", "220 second.test"), &Transcript::new());
    let address = second.address().to_string();
    let options = [&["--upstream", &address][..], options].concat();
    (Session::with_options(first, &options), second)
}

#[test]
fn the_next_one_is_called() {
    let polite = Script::polite;
    for (what, script, why) in [
        ("down", Script::absent(), "127.0.0.1:.*refused.*"),
        ("closes", polite().on("(greeting)", Act::Close), "closed.x20the.x20connection"),
        ("resets", polite().on("(greeting)", Act::Reset), ".*"),
        ("busy", polite().on("(greeting)", "421 4.3.2 busy"), "421.x204.3.2.x20busy.x0d.x0a"),
        ("full", polite().on("(greeting)", "452-4.3.1 full\n452 4.3.1 wait"), "452-4.3.1.*"),
        ("half", polite().on("(greeting)", Act::Last(b"220 mta".to_vec())), "closed.*"),
        ("odd", polite().on("(greeting)", "hello"), "hello.x0d.x0a"),
    ] {
        let (mut s, mta) = second(script, &[]);
        s.plays("S: 220 second.test\nC: EHLO client.example");
        s.client.reply();
        s.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
        s.ends(&[0]);
        s.logs(1, &format!("session=trouble upstream=<127.0.0.1:.*> why=<{why}>"));
        s.logs(1, &format!("session=end end=quit mta=ok why=<> upstream=<{}>", mta.address()));
        assert!(contains(&mta.heard().octets, b"EHLO client.example"), "{what}");
        assert!(!contains(&s.mta.heard().octets, b"EHLO"), "{what}");
    }
}

#[test]
fn one_that_is_slow_is_passed_over() {
    let (mut s, _mta) = second(Script::polite().on("(greeting)", Act::Silence), &["-t", "0.5"]);
    s.plays("S: 220 second.test\nC: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
    s.logs(1, "session=trouble why=<no.x20greeting.x20in.x20time>");

    // Nobody takes the connection: its queue is full.
    let stuck = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stuck, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    listen(&stuck, 0).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&stuck).unwrap().try_into().unwrap();
    let _waiting: Vec<_> =
        (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50))).collect();
    let second = Mta::follows(Script::polite(), &Transcript::new());
    let (first, second) = (address.to_string(), second.address().to_string());
    let folder = Folder::fresh();
    let config = folder.file("config.toml");
    let list = format!("[upstream]\naddress = [\"{first}\", \"{second}\"]\n");
    fs::write(&config, list).unwrap();
    let log = common::Syslog::at(folder.file("log"));
    let mut command = Program::command(&folder.file(""));
    command.args(["-t", "0.5", "--log", &format!("syslog:{}", log.path().display())]);
    command.args(["--config", config.to_str().unwrap()]);
    let (ours, theirs) = connection();
    let transcript = Transcript::new();
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = common::Client::on_socket(ours, &transcript);
    client.gets("220 mta.test ESMTP");
    client.says("QUIT");
    client.gets("221 2.0.0 goodbye");
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    log.stops();
    let lines = log.lines().join("\n");
    assert!(lines.contains(&format!("session=trouble upstream=<{first}> why=<")), "{lines}");
}

#[test]
fn a_greeting_of_5yz_is_final() {
    let (mut s, mta) = second(Script::polite().on("(greeting)", "554 5.7.1 nobody"), &[]);
    s.plays("S: 554 5.7.1 nobody\nC: QUIT\nS: 221 2.0.0 Bye\nS: (closed)");
    s.ends(&[0]);
    assert_eq!(mta.connections(), 0);
}

#[test]
fn what_the_last_one_says_is_the_client_s() {
    let busy =
        Mta::follows(Script::polite().on("(greeting)", "421 4.3.2 busy"), &Transcript::new());
    let busy = busy.address().to_string();
    let options = ["--upstream", "unix:/nonexistent", "--upstream", &busy];
    let mut s = Session::with_options(Script::absent(), &options);
    s.plays("S: 421 4.3.2 busy\nS: (closed)");
    s.ends(&[0]);
    s.logs(2, "session=trouble");
    s.logs(1, &format!("session=end mta=closing upstream=<{busy}>"));

    let mut s = Session::with_options(Script::absent(), &["--upstream", "unix:/nonexistent"]);
    s.plays(AWAY);
    s.ends(&[75]);
    s.logs(1, "session=end mta=lost upstream=<unix:/nonexistent> why=<unix:/nonexistent:.*>");
}

#[test]
fn sigterm_while_one_is_connected() {
    let (mut s, _mta) = second(Script::polite().on("(greeting)", Act::Silence), &[]);
    s.mta.waits("the connection", |_| true);
    thread::sleep(Duration::from_millis(50));
    s.program.terminate();
    s.plays("S: 421 4.3.2 Shutting down, try again later\nS: (closed)");
    s.ends(&[0]);
}

#[test]
fn a_unix_socket() {
    for identity in ["none", "proxy-v1"] {
        let folder = Folder::fresh();
        let path = folder.file("mta");
        let listener = UnixListener::bind(&path).unwrap();
        let mta = thread::spawn(move || {
            let mut mta = listener.accept().unwrap().0;
            let mut lines = BufReader::new(mta.try_clone().unwrap()).lines().map(Result::unwrap);
            let header = (identity != "none").then(|| lines.next().unwrap());
            mta.write_all(b"220 unix.test\r\n").unwrap();
            let said = lines.next().unwrap();
            mta.write_all(b"221 bye\r\n").unwrap();
            assert!(lines.next().is_none());
            (header, said)
        });
        let upstream = format!("unix:{}", path.display());
        let mut s = Session::with_options(
            Script::absent(),
            &["--upstream", &upstream, "--identity", identity],
        );
        s.plays("S: 220 unix.test\nC: QUIT\nS: 221 bye\nS: (closed)");
        s.ends(&[0]);
        let (header, said) = mta.join().unwrap();
        assert_eq!(said, "QUIT");
        assert!(header.is_none_or(|line| line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ")));
    }
}

#[test]
fn listeners_that_are_gone() {
    // A port that nobody listens on any more is no trouble for the next.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mta = Mta::follows(Script::polite(), &Transcript::new());
    let mta = mta.address().to_string();
    let options = ["--upstream", &gone, "--upstream", &gone, "--upstream", &mta];
    let mut s = Session::with_options(Script::absent(), &options);
    s.plays("S: 220 mta.test ESMTP\nC: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
    s.logs(3, "session=trouble");
}
