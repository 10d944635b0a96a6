//! What the MTA learns of the client: XCLIENT and PROXY headers, in real sessions.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use common::dns::{Does, NameServer, a, ptr};
use common::{Act, Folder, Program, Script, Session, connection_to, contains, lines};

const REVERSE: &str = "1.0.0.127.in-addr.arpa";

/// What Postfix 3.7 offers.
const OFFER: &str =
    "250-mta.test\n250 XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";

/// An MTA that takes XCLIENT once, and greets the client again.
fn postfix() -> Script {
    Script::polite().once("EHLO", OFFER).on("XCLIENT", "220 mta.test ESMTP again")
}

/// A session with XCLIENT; gives the client's port and the one it connected to.
fn session(script: Script, server: &NameServer, filters: &str) -> (Session, Folder, [u16; 2]) {
    let folder = Folder::fresh();
    let path = folder.file("config.toml");
    let head = format!(
        "[upstream]\nidentity = \"xclient\"\n[session]\nhostname = \"mx.example\"\n\
         [dns]\nservers = [\"{}\"]\ntime_limit = \"1s\"\n",
        server.address()
    );
    fs::write(&path, head + filters).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (ours, theirs) = connection_to(&listener);
    let ports = [ours.local_addr().unwrap().port(), ours.peer_addr().unwrap().port()];
    let its_folder = Folder::fresh();
    let command = Program::command(&its_folder.file(""));
    let options = ["--config", path.to_str().unwrap()];
    (Session::on(ours, theirs, script, its_folder, command, &options), folder, ports)
}

#[test]
fn the_mta_is_told_before_the_client_is_greeted() {
    let server = NameServer::new().host("127.0.0.1", "mail.example.org");
    let (mut s, _folder, [from, to]) = session(postfix(), &server, "");
    s.plays(
        "S: 220 mta.test ESMTP again
         C: EHLO client.example
         S: 250-mta.test
         S: 250-PIPELINING
         S: 250-SIZE 10240000
         S: 250-8BITMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250 CHUNKING
         C: XCLIENT ADDR=127.0.0.2
         S: 502 5.5.1 Command not offered here
         C: MAIL FROM:<a@client.example>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<b@mta.test>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 go ahead
         C: text
         C: .
         S: 250 2.0.0 queued",
    );
    s.quits();
    s.mta_has_message(b"text\r\n");
    s.mta_heard(&format!(
        "EHLO mx.example
         XCLIENT NAME=mail.example.org REVERSE_NAME=mail.example.org PORT={from} \
         DESTADDR=127.0.0.1 DESTPORT={to} ADDR=127.0.0.1
         EHLO client.example
         MAIL FROM:<a@client.example>
         RCPT TO:<b@mta.test>
         DATA
         text
         .
         QUIT
         "
    ));
    s.logs(1, "session=end mta=ok ptr=<mail.example.org> fcrdns=pass");
}

#[test]
fn what_dns_says_is_told() {
    let fresh = NameServer::new;
    let cases = [
        ("no name", fresh(), "[UNAVAILABLE]", "[UNAVAILABLE]"),
        ("silent", fresh().knows(REVERSE, Does::Silence), "[TEMPUNAVAIL]", "[TEMPUNAVAIL]"),
        ("broken", fresh().knows(REVERSE, Does::Code(2)), "[TEMPUNAVAIL]", "[TEMPUNAVAIL]"),
        (
            "does not lead back",
            fresh()
                .knows(REVERSE, ptr(&["mail.example.org"]))
                .knows("mail.example.org", a(&["192.0.2.1"])),
            "[UNAVAILABLE]",
            "mail.example.org",
        ),
        (
            "nobody says whether it leads back",
            fresh()
                .knows(REVERSE, ptr(&["mail.example.org"]))
                .knows("mail.example.org", Does::Silence),
            "[TEMPUNAVAIL]",
            "mail.example.org",
        ),
        // An MTA would refuse XCLIENT for such a name.
        ("odd", fresh().host("127.0.0.1", "a=b+c.example"), "[UNAVAILABLE]", "[UNAVAILABLE]"),
        ("numbers", fresh().host("127.0.0.1", "127.0.0.1"), "[UNAVAILABLE]", "[UNAVAILABLE]"),
        ("underscore", fresh().host("127.0.0.1", "a_b.example"), "a_b.example", "a_b.example"),
    ];
    let cases: Vec<_> = cases.iter().map(|(what, _, n, r)| (*what, *n, *r)).zip(&cases).collect();
    let plays = |what: &str, server: &NameServer, name: &str, reverse: &str| {
        let (mut s, _folder, _) = session(postfix(), server, "");
        s.plays("S: 220 mta.test ESMTP again");
        s.quits();
        let told = format!("\r\nXCLIENT NAME={name} REVERSE_NAME={reverse} PORT=");
        assert!(contains(&s.mta.heard().octets, told.as_bytes()), "{what}: {}", s.transcript);
    };
    for ((what, name, reverse), (_, server, ..)) in cases {
        plays(what, server, name, reverse);
    }
}

#[test]
fn only_what_is_offered_is_told() {
    let server = NameServer::new().host("127.0.0.1", "mail.example.org");
    let script = Script::polite()
        .once("EHLO", "250-mta.test\n250 XCLIENT ADDR NAME")
        .on("XCLIENT", "220 mta.test ESMTP again");
    let (mut s, _folder, _) = session(script, &server, "");
    s.plays("S: 220 mta.test ESMTP again");
    s.quits();
    s.mta_heard("EHLO mx.example\nXCLIENT NAME=mail.example.org ADDR=127.0.0.1\nQUIT\n");
}

#[test]
fn no_session_under_a_wrong_name() {
    let away = "S: 421 4.3.0 Mail system not available, try again later\nS: (closed)";
    let polite = Script::polite;
    let cases = [
        ("absent", polite(), "XCLIENT.x20is.x20not.x20offered"),
        (
            "without ADDR",
            polite().once("EHLO", "250-mta\n250 XCLIENT NAME"),
            "XCLIENT.x20is.x20offered.x20without.x20ADDR",
        ),
        ("no EHLO", polite().once("EHLO", "502 5.5.1 no"), "502.x205.5.1.x20no.x0d.x0a"),
        (
            "refused",
            postfix().on("XCLIENT", "550 5.7.0 insufficient"),
            "XCLIENT:.x20550.x205.7.0.x20insufficient.x0d.x0a",
        ),
        ("syntax", postfix().on("XCLIENT", "501 5.5.4 what?"), "XCLIENT:.x20501.*"),
    ];
    let cases: Vec<_> = cases.into_iter().collect();
    for (what, script, why) in cases {
        let server = NameServer::new();
        let (mut s, _folder, _) = session(script, &server, "");
        s.client.says("EHLO client.example");
        s.plays(away);
        s.ends(&[75]);
        s.logs(1, &format!("session=end end=mta.away mta=no-xclient why=<{why}>"));
        assert!(!contains(&s.mta.heard().octets, b"client.example"), "{what}");
    }
}

#[test]
fn the_second_greeting_is_the_client_s() {
    for (greeting, more) in [
        ("554 5.7.1 not you", "C: QUIT\nS: 221 2.0.0 Bye\nS: (closed)"),
        ("450 4.7.1 not you, not now", "C: QUIT\nS: 221 2.0.0 Bye\nS: (closed)"),
        ("421 4.7.0 too many of you", "S: (closed)"),
    ] {
        let server = NameServer::new();
        let (mut s, _folder, _) = session(postfix().on("XCLIENT", greeting), &server, "");
        s.plays(&format!("S: {greeting}\n{more}"));
        s.ends(&[0]);
    }
}

#[test]
fn a_held_client_s_mta_learns_its_name() {
    let deny = "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.1\"]\n";
    let server = NameServer::new().host("127.0.0.1", "mail.example.org");
    let (mut s, _folder, [from, to]) = session(postfix(), &server, deny);
    s.plays(
        "S: 220 mx.example ESMTP
         C: EHLO a b+c=d
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250 SMTPUTF8
         C: MAIL FROM:<a@client.example>
         S: 250 2.0.0 Ok
         C: RCPT TO:<postmaster>
         S: 250 2.1.5 recipient ok",
    );
    s.quits();
    s.mta_heard(&format!(
        "EHLO mx.example
         XCLIENT NAME=mail.example.org REVERSE_NAME=mail.example.org PORT={from} PROTO=ESMTP \
         HELO=a+20b+2Bc+3Dd DESTADDR=127.0.0.1 DESTPORT={to} ADDR=127.0.0.1
         EHLO a b+c=d
         MAIL FROM:<a@client.example>
         RCPT TO:<postmaster>
         QUIT
         "
    ));
}

#[test]
fn a_held_client_s_recipient_waits_for_an_mta_without_xclient() {
    let deny = "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.1\"]\n";
    let server = NameServer::new();
    let (mut s, _folder, _) = session(Script::polite(), &server, deny);
    s.plays(
        "S: 220 mx.example ESMTP
         C: HELO x
         S: 250 mx.example
         C: MAIL FROM:<a@client.example>
         S: 250 2.0.0 Ok
         C: RCPT TO:<postmaster>
         S: 451 4.3.0 Mail system not available, try again later
         C: QUIT
         S: 221 2.0.0 Bye
         S: (closed)",
    );
    s.ends(&[75]);
    s.logs(1, "session=end mta=no-xclient why=<XCLIENT.x20is.x20not.x20offered>");
}

#[test]
fn while_dns_is_asked() {
    let silent = || NameServer::new().knows(REVERSE, Does::Silence);
    let server = silent();
    let (mut s, _folder, _) = session(postfix(), &server, "");
    s.client.leaves();
    s.ends(&[0]);
    s.took_less_than(Duration::from_millis(900));
    s.logs(1, "session=end end=client-left");
    assert_eq!(s.mta.connections(), 0);

    let (mut s, _folder, _) = session(postfix(), &server, "");
    thread::sleep(Duration::from_millis(200));
    s.program.terminate();
    s.plays("S: 421 4.3.2 Shutting down, try again later\nS: (closed)");
    s.ends(&[0]);

    // What the client says meanwhile waits.
    let (mut s, _folder, _) = session(postfix(), &server, "");
    s.client.says("EHLO client.example");
    s.plays("S: 220 mta.test ESMTP again");
    s.client.reply();
    s.quits();
}

#[test]
fn an_mta_that_stalls_before_the_second_greeting() {
    for act in [Act::Silence, Act::Close, Act::Reset] {
        let folder = Folder::fresh();
        let server = NameServer::new();
        let dns = server.address().to_string();
        let (ours, theirs) = common::connection();
        let command = Program::command(&folder.file(""));
        let options = ["--identity", "xclient", "--dns", &dns, "-t", "0.5"];
        let script = postfix().on("XCLIENT", act);
        let mut s = Session::on(ours, theirs, script, folder, command, &options);
        s.plays("S: 421 4.3.0 Mail system not available, try again later\nS: (closed)");
        s.ends(&[75]);
    }
}

/// An MTA that does not greet before it has read so many octets, and then only
/// listens; gives those, and what came after them.
fn waits_for_header(size: usize) -> (SocketAddr, thread::JoinHandle<[Vec<u8>; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let mut mta = listener.accept().unwrap().0;
        mta.set_read_timeout(Some(common::PATIENCE)).unwrap();
        let (mut header, mut rest) = (vec![0; size], [0; 6]);
        mta.read_exact(&mut header).unwrap();
        mta.write_all(b"220 mta.test ESMTP\r\n").unwrap();
        mta.read_exact(&mut rest).unwrap();
        mta.write_all(b"221 2.0.0 goodbye\r\n").unwrap();
        [header, rest.to_vec()]
    });
    (address, thread)
}

#[test]
fn a_proxy_header_is_the_first_that_the_mta_hears() {
    let addresses: [(&str, &[u8], u8); 2] = [
        ("127.0.0.1", &[127, 0, 0, 1], 0x11),
        ("::1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0x21),
    ];
    let mut cases = Vec::new();
    for (ip, octets, family) in addresses {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        for version in ["proxy-v1", "proxy-v2"] {
            let (ours, theirs) = connection_to(&listener);
            let (from, to) =
                (ours.local_addr().unwrap().port(), listener.local_addr().unwrap().port());
            let expected = match (version, family) {
                ("proxy-v1", 0x11) => format!("PROXY TCP4 {ip} {ip} {from} {to}\r\n").into_bytes(),
                ("proxy-v1", _) => format!("PROXY TCP6 {ip} {ip} {from} {to}\r\n").into_bytes(),
                _ => {
                    let length = [0, 2 * octets.len() as u8 + 4];
                    let head =
                        [b"\r\n\r\n\0\r\nQUIT\n\x21".as_slice(), &[family], &length].concat();
                    [&head, octets, octets, &from.to_be_bytes(), &to.to_be_bytes()].concat()
                }
            };
            cases.push((version, ours, theirs, expected));
        }
    }
    for (version, ours, theirs, expected) in cases {
        let (mta, thread) = waits_for_header(expected.len());
        let folder = Folder::fresh();
        let command = Program::command(&folder.file(""));
        let mta = mta.to_string();
        let options = ["--identity", version, "--upstream", &mta];
        // The first of the two MTAs is not there.
        let mut s = Session::on(ours, theirs, Script::absent(), folder, command, &options);
        s.quits_after("S: 220 mta.test ESMTP");
        let [header, rest] = thread.join().unwrap();
        assert_eq!(header.escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert_eq!(rest, b"QUIT\r\n");
    }
}

trait Quits {
    fn quits_after(&mut self, dialogue: &str);
}

impl Quits for Session {
    fn quits_after(&mut self, dialogue: &str) {
        self.plays(dialogue);
        self.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
        self.ends(&[0]);
    }
}

#[test]
fn a_header_and_a_mail() {
    let script = Script::polite().on("PROXY", Act::Say(Vec::new()));
    let mut s = Session::with_options(script, &["--identity", "proxy-v1"]);
    s.opens_a_message();
    s.plays("C: text\nC: .\nS: 250 2.0.0 queued");
    s.quits();
    s.mta_has_message(&lines("text\n"));
    assert!(s.mta.heard().octets.starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 "));
}

#[test]
fn identity_without_an_mta_that_could_learn_it_is_a_mistake() {
    for (identity, upstreams, mistaken) in [
        ("xclient", &["exec:/bin/true"][..], true),
        ("proxy-v2", &["exec:/bin/true", "exec:/bin/false"], true),
        ("none", &["exec:/bin/true"], false),
        ("xclient", &["exec:/bin/true", "127.0.0.1:1"], false),
    ] {
        let folder = Folder::fresh();
        let mut command = Program::command(&folder.file(""));
        command.args([
            "--config",
            "none",
            "--log",
            "none",
            "--identity",
            identity,
            "--dns",
            "127.0.0.1:1",
        ]);
        for upstream in upstreams {
            command.args(["--upstream", upstream]);
        }
        let (ours, theirs) = common::connection();
        let transcript = common::Transcript::new();
        let mut program = Program::on_socket(command, theirs.into(), &transcript);
        let mut client = common::Client::on_socket(ours, &transcript);
        let said = client.line().unwrap_or_default();
        assert_eq!(said.starts_with("421 4.3.5"), mistaken, "{identity} {upstreams:?}: {said}");
        assert_eq!(program.status() == Some(78), mistaken);
    }
}
