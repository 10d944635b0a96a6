//! Encrypted sessions with the real binary: handshakes that go well and that do not, what counts of
//! what was said before, and what log, filters and MTA learn.
//!
//! The certificates in tests/tls are good for a hundred years: mx (ECDSA, a SEC1 key), rsa (a PKCS#1
//! key; a wildcard) and both (certificate and PKCS#8 key of P-384 in one file).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::tls::{Encrypted, client, pem, usual};
use common::{Act, Folder, PATIENCE, Program, Script, Session, connection, each};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

/// Options for these certificates, each with its key.
fn with_certificates(pairs: &[(&str, &str)], state: &Path) -> Vec<String> {
    let mut options = vec!["--state".to_owned(), state.display().to_string()];
    for (certificate, key) in pairs {
        options.extend([
            "--tls-cert".to_owned(),
            pem(certificate),
            "--tls-key".to_owned(),
            pem(key),
        ]);
    }
    options
}

const MX: (&str, &str) = ("mx.crt", "mx.key");
const RSA: (&str, &str) = ("rsa.crt", "rsa.key");
const BOTH: (&str, &str) = ("both.pem", "both.pem");

/// A session with these options, and the socket of its client.
fn session(script: Script, options: &[String]) -> (Session, TcpStream) {
    session_with(script, options, |_| {})
}

fn session_with(
    script: Script,
    options: &[String],
    change: impl FnOnce(&mut std::process::Command),
) -> (Session, TcpStream) {
    let (ours, theirs) = connection();
    let socket = ours.try_clone().unwrap();
    let folder = Folder::fresh();
    let mut command = Program::command(&folder.file(""));
    change(&mut command);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    (Session::on(ours, theirs, script, folder, command, &options), socket)
}

/// Up to the 220 to STARTTLS.
fn asks_for_tls(session: &mut Session) {
    session.plays("S: 220 mta.test ESMTP\nC: EHLO clear.example");
    let offered = session.client.reply();
    assert_eq!(offered.last().unwrap(), "250 STARTTLS", "{offered:?}");
    session.plays("C: STARTTLS\nS: 220 2.0.0 Ready to start TLS");
}

/// An encrypted session with mx's certificate, whose state is in the folder.
fn encrypted(script: Script, state: &Folder, config: &Arc<ClientConfig>) -> (Session, Encrypted) {
    let (mut session, socket) = session(script, &with_certificates(&[MX], &state.file("")));
    asks_for_tls(&mut session);
    let client = Encrypted::begins(config, "mx.example.org", socket).shakes_hands();
    (session, client)
}

fn says_hello(client: &mut Encrypted) {
    client.says("EHLO secret.example");
    let offered = client.reply();
    assert!(offered.iter().all(|line| !line.contains("STARTTLS")), "{offered:?}");
}

const ENVELOPE: &str = "C: MAIL FROM:<a@client.example>
    S: 250 2.1.0 sender ok
    C: RCPT TO:<b@mta.test>
    S: 250 2.1.5 recipient ok
    C: DATA
    S: 354 go ahead";

#[test]
fn a_message_in_each_version() {
    for (version, name) in [
        (&TLS13, "TLSv1\\.3/TLS_AES_128_GCM_SHA256"),
        (&TLS12, "TLSv1\\.2/TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ] {
        let state = Folder::fresh();
        let script = Script::polite().on("EHLO", "250-mta.test\n250-STARTTLS\n250 SIZE");
        let (mut session, mut client) =
            encrypted(script, &state, &Arc::new(client(&[version], false)));
        client.plays("C: MAIL FROM:<too@early>\nS: 503 5.5.1 EHLO first");
        says_hello(&mut client);
        client.plays("C: STARTTLS\nS: 503 5.5.1 TLS is active already");
        client.plays(ENVELOPE);
        client.plays("C: Subject: x\nC:  \nC: .\nS: 250 2.0.0 queued");
        client.quits();
        session.ends(&[0]);
        session.mta_has_message(b"Subject: x\r\n \r\n");
        let heard = session.mta.heard().octets;
        assert!(heard.starts_with(b"EHLO clear.example\r\nEHLO secret.example\r\nMAIL FROM:<a@c"));
        let tls = format!("tls={name}");
        session.logs(1, &format!("verdict=pass helo=<secret\\.example> {tls}"));
        session.logs(1, &format!("session=end end=quit sni=<mx\\.example\\.org> {tls}"));
        session.logs(0, "resumed=yes");
    }
}

#[test]
fn what_is_sent_behind_starttls_is_thrown_away() {
    let state = Folder::fresh();
    let (mut session, socket) =
        session(Script::polite(), &with_certificates(&[MX], &state.file("")));
    session.plays("S: 220 mta.test ESMTP\nC: EHLO clear.example");
    session.client.reply();
    let injected = b"STARTTLS\r\nRSET\r\nEHLO evil.example\r\nMAIL FROM:<evil@evil.example>\r\nRC";
    session.client.sends(injected);
    session.client.gets("220 2.0.0 Ready to start TLS");
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    client.plays("C: PT TO:<x@y>\nS: 500 5.5.1 Command not recognized");
    says_hello(&mut client);
    client.quits();
    session.ends(&[0]);
    session.mta_heard("EHLO clear.example\nEHLO secret.example\nQUIT");
    let thrown_away = injected.len() - b"STARTTLS\r\n".len();
    session.logs(1, &format!("session=note why=<{thrown_away}\\\\x20octets.*"));
}

/// A ClientHello of TLS 1.0, which offers nothing newer.
fn old_hello() -> Vec<u8> {
    let mut hello = vec![3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x0a, 0, 0x2f, 1, 0]);
    let mut record = vec![0x16, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    record
}

/// The beginning of a good ClientHello.
fn half_a_hello() -> Vec<u8> {
    let name = ServerName::try_from("mx.example.org").unwrap();
    let mut connection = ClientConnection::new(usual(), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello.truncate(hello.len() / 2);
    hello
}

#[test]
fn a_handshake_that_fails_ends_the_session() {
    let changed = |at: usize| {
        let mut hello = half_a_hello();
        hello[at] ^= 0x40;
        hello
    };
    let cases: Vec<(&str, Vec<u8>, bool)> = vec![
        // what is sent, and whether the client closes then
        ("nothing, and the end", vec![], true),
        ("silence", vec![], false),
        ("garbage", b"\x80\x81\x82\x83\x84\x85\x86\x87".to_vec(), false),
        ("clear text", b"EHLO clear.example\r\nMAIL FROM:<a@b>\r\n".to_vec(), false),
        ("QUIT in clear text", b"QUIT\r\n".to_vec(), true),
        ("an old version", old_hello(), false),
        ("half a ClientHello, then silence", half_a_hello(), false),
        ("half a ClientHello, then the end", half_a_hello(), true),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x07\x00\xc0".to_vec(), false),
        ("application data first", b"\x17\x03\x03\x00\x05hello".to_vec(), false),
        ("an alert", b"\x15\x03\x03\x00\x02\x02\x28".to_vec(), false),
        ("a record that is too long", b"\x16\x03\x01\xff\xff\x01".to_vec(), false),
        ("empty records", b"\x16\x03\x01\x00\x00".repeat(100), false),
        ("another kind of record", changed(0), false),
        ("a length that is wrong", changed(6), false),
    ];
    each(&cases, |(_, sent, closes)| {
        let state = Folder::fresh();
        let mut options = with_certificates(&[MX], &state.file(""));
        options.extend(["--time-limit", "0.5"].map(str::to_owned));
        let (mut session, mut socket) = session(Script::polite(), &options);
        asks_for_tls(&mut session);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = socket.write_all(sent);
        if *closes {
            socket.shutdown(Shutdown::Write).unwrap();
        }
        let mut said = Vec::new();
        // A reset is as good an end to such a thing as any.
        let _ = socket.read_to_end(&mut said);
        assert!(said.is_empty() || said[0] == 0x15, "not an alert: {}", said.escape_ascii());
        session.ends(&[0]);
        session.logs(1, "session=end end=tls\\.failed why=<TLS:.+> tls=-");
        session.mta_heard("EHLO clear.example");
    });
}

#[test]
fn pieces_of_one_octet() {
    let state = Folder::fresh();
    let (mut session, socket) =
        session(Script::polite(), &with_certificates(&[MX], &state.file("")));
    asks_for_tls(&mut session);
    socket.set_nodelay(true).unwrap();
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket);
    // Records in TCP segments of an octet,
    while client.connection.is_handshaking() {
        let mut wire = Vec::new();
        while client.connection.wants_write() {
            client.connection.write_tls(&mut wire).unwrap();
        }
        wire.chunks(1).for_each(|octet| client.socket.write_all(octet).unwrap());
        if client.connection.is_handshaking() {
            client.connection.read_tls(&mut client.socket).unwrap();
            client.connection.process_new_packets().unwrap();
        }
    }
    client.connection.complete_io(&mut client.socket).unwrap();
    // and octets in records of their own.
    b"EHLO secret.example\r\n".chunks(1).for_each(|octet| client.sends(octet));
    client.reply();
    client.plays(ENVELOPE);
    b"one\r\n.\r\n".chunks(1).for_each(|octet| client.sends(octet));
    client.gets("250 2.0.0 queued");
    client.quits();
    session.ends(&[0]);
    session.mta_has_message(b"one\r\n");
}

#[test]
fn a_message_that_is_cut_is_none() {
    // The connection ends, or the client says that it will send nothing more.
    for says_so in [false, true] {
        let state = Folder::fresh();
        let (mut session, mut client) = encrypted(Script::polite(), &state, &usual());
        says_hello(&mut client);
        client.plays(ENVELOPE);
        client.sends(b"Subject: x\r\n\r\nThe first half\r\n");
        session.mta.waits_for("The first half");
        if says_so {
            client.connection.send_close_notify();
            client.connection.write_tls(&mut client.socket).unwrap();
        } else {
            client.socket.shutdown(Shutdown::Write).unwrap();
        }
        session.ends(&[0]);
        session.mta_has_no_message();
        let why = if says_so { "why=<>" } else { "why=<TLS:.*closed.*>" };
        session.logs(1, &format!("session=end end=client-left {why}"));
    }
}

#[test]
fn a_record_that_was_changed_ends_the_session() {
    let state = Folder::fresh();
    let (mut session, mut client) = encrypted(Script::polite(), &state, &usual());
    says_hello(&mut client);
    client.plays(ENVELOPE);
    client.connection.writer().write_all(b"text\r\n.\r\n").unwrap();
    let mut wire = Vec::new();
    client.connection.write_tls(&mut wire).unwrap();
    *wire.last_mut().unwrap() ^= 1;
    client.socket.write_all(&wire).unwrap();
    session.ends(&[0]);
    session.mta_has_no_message();
    session.logs(1, "session=end end=client-left why=<TLS:.+>");
}

#[test]
fn keys_are_not_changed_for_ever() {
    let state = Folder::fresh();
    let (mut session, mut client) = encrypted(Script::polite(), &state, &usual());
    says_hello(&mut client);
    for _ in 0..1000 {
        if client.connection.refresh_traffic_keys().is_err() {
            break;
        }
        let mut wire = Vec::new();
        client.connection.write_tls(&mut wire).unwrap();
        if client.socket.write_all(&wire).is_err() {
            break;
        }
    }
    session.ends(&[0]);
    session.logs(1, "session=end end=client-left why=<TLS:.+>");
}

#[test]
fn large_messages_and_replies() {
    let state = Folder::fresh();
    let help = (0..120).map(|n| format!("214-{n} {}\n", "x".repeat(4000))).collect::<String>();
    let script = Script::polite().on("HELP", format!("{help}214 end").as_str());
    let (mut session, mut client) = encrypted(script, &state, &usual());
    says_hello(&mut client);
    // Half a megabyte that the client takes late.
    client.says("HELP");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(client.reply().len(), 121);
    client.plays(ENVELOPE);
    let message = b"0123456789abcdef0123456789abcdef\r\n".repeat(200_000);
    message.chunks(60_000).for_each(|part| client.sends(part));
    client.sends(b".\r\n");
    client.gets("250 2.0.0 queued");
    client.quits();
    session.ends(&[0]);
    session.mta_has_message(&message);
}

#[test]
fn a_client_that_takes_nothing_is_stuck() {
    let state = Folder::fresh();
    let mut options = with_certificates(&[MX], &state.file(""));
    options.extend(["--time-limit", "1"].map(str::to_owned));
    let help = (0..120).map(|n| format!("214-{n} {}\n", "x".repeat(8000))).collect::<String>();
    let script = Script::polite().on("HELP", format!("{help}214 end").as_str());
    let (mut session, socket) = session(script, &options);
    asks_for_tls(&mut session);
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    says_hello(&mut client);
    let helps = b"HELP\r\n".repeat(40);
    client.sends(&helps);
    session.ends(&[0]);
    session.logs(1, "session=end end=client-stuck");
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let certificate = |name: &str| CertificateDer::from_pem_file(pem(name)).unwrap();
    for (asked, shown) in [
        ("mx.example.org", "mx.crt"),
        ("rsa.example.org", "rsa.crt"),
        ("a.wild.example.org", "rsa.crt"),
        ("mail.example.net", "both.pem"),
        ("A.Wild.Example.ORG", "rsa.crt"),
        // Nobody's: the first.
        ("a.b.wild.example.org", "mx.crt"),
        ("unknown.example", "mx.crt"),
        ("192.0.2.1", "mx.crt"),
    ] {
        let state = Folder::fresh();
        let options = with_certificates(&[MX, RSA, BOTH], &state.file(""));
        let (mut session, socket) = session(Script::polite(), &options);
        asks_for_tls(&mut session);
        let mut client = Encrypted::begins(&usual(), asked, socket).shakes_hands();
        assert_eq!(
            client.connection.peer_certificates().unwrap()[0],
            certificate(shown),
            "{asked}"
        );
        client.quits();
        session.ends(&[0]);
    }
}

#[test]
fn a_session_goes_on_in_another_process() {
    for version in [&TLS13, &TLS12] {
        let state = Folder::fresh();
        let mut config = client(&[version], false);
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        let again = |expected, logged| {
            let (mut session, mut client) = encrypted(Script::polite(), &state, &config);
            says_hello(&mut client);
            client.quits();
            assert_eq!(client.connection.handshake_kind(), Some(expected));
            session.ends(&[0]);
            session.logs(logged, "session=end resumed=yes sni=<mx\\.example\\.org>");
        };
        again(HandshakeKind::Full, 0);
        again(HandshakeKind::Resumed, 1);
        again(HandshakeKind::Resumed, 1);
        // With other keys, or none of use, there is nothing to go on with.
        fs::write(state.file("tls-tickets"), b"damaged").unwrap();
        again(HandshakeKind::Full, 0);
        again(HandshakeKind::Resumed, 1);
        fs::remove_file(state.file("tls-tickets")).unwrap();
        again(HandshakeKind::Full, 0);
    }
}

#[test]
fn without_a_state_directory_there_are_no_tickets() {
    let state = Folder::fresh();
    let options = with_certificates(&[MX], &state.file("not there"));
    let (mut session, socket) = session(Script::polite(), &options);
    asks_for_tls(&mut session);
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    says_hello(&mut client);
    client.quits();
    assert_eq!(client.connection.tls13_tickets_received(), 0);
    session.ends(&[0]);
    session.logs(1, "session=note why=<TLS.*resumed.*>");
}

#[test]
fn without_a_certificate_the_session_goes_on_in_clear_text() {
    let state = Folder::fresh();
    // The last one has no key in it.
    let pairs = [
        ("gone.crt", "mx.key"),
        ("mx.crt", "gone.key"),
        ("mx.key", "mx.key"),
        ("mx.crt", "mx.crt"),
    ];
    for (certificate, key) in pairs {
        let options = with_certificates(&[(certificate, key)], &state.file(""));
        let (mut session, _) = session(Script::polite(), &options);
        session.greets();
        session.plays("C: STARTTLS\nS: 454 4.7.0 TLS not available, try again later");
        session.plays("C: MAIL FROM:<a@client.example>\nS: 250 2.1.0 sender ok");
        session.quits();
        session.logs(1, "session=trouble why=<.*(crt|key).*>");
    }
}

#[test]
fn a_key_of_another_certificate_is_none() {
    let state = Folder::fresh();
    let options = with_certificates(&[("mx.crt", "rsa.key")], &state.file(""));
    let (mut session, socket) = session(Script::polite(), &options);
    asks_for_tls(&mut session);
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket);
    let shaken =
        (0..10).try_for_each(|_| client.connection.complete_io(&mut client.socket).map(drop));
    assert!(shaken.is_err() || client.connection.is_handshaking());
    session.ends(&[0]);
    session.logs(1, "session=end end=tls\\.failed why=<TLS:.+>");
}

#[test]
fn tls_from_the_first_octet() {
    let state = Folder::fresh();
    let mut options = with_certificates(&[MX], &state.file(""));
    options.push("--tls-implicit".to_owned());
    let (mut session, socket) = session(Script::polite(), &options);
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    client.gets("220 mta.test ESMTP");
    says_hello(&mut client);
    client.plays("C: STARTTLS\nS: 503 5.5.1 TLS is active already");
    client.plays(ENVELOPE);
    client.plays("C: text\nC: .\nS: 250 2.0.0 queued");
    client.quits();
    session.ends(&[0]);
    session.mta_has_message(b"text\r\n");
    session.logs(1, "session=end end=quit tls=TLSv1\\.3/.*");
}

#[test]
fn clear_text_where_tls_is_spoken() {
    let state = Folder::fresh();
    let mut options = with_certificates(&[MX], &state.file(""));
    options.push("--tls-implicit".to_owned());
    let (mut session, mut socket) = session(Script::polite(), &options);
    socket.write_all(b"EHLO clear.example\r\n").unwrap();
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    assert_eq!(said.first(), Some(&0x15), "{}", said.escape_ascii());
    session.ends(&[0]);
    session.logs(1, "session=end end=tls\\.failed why=<TLS:.+>");
    assert_eq!(session.mta.connections(), 0);
}

/// A configuration with mx's certificate, and more.
fn configured(folder: &Folder, more: &str) -> Vec<String> {
    let path = folder.file("config.toml");
    let (state, certificate, key) = (folder.file(""), pem("mx.crt"), pem("mx.key"));
    let text = format!("state = {state:?}\n[tls]\ncert = {certificate:?}\nkey = [{key:?}]\n{more}");
    fs::write(&path, text).unwrap();
    vec!["--config".to_owned(), path.display().to_string()]
}

#[test]
fn a_held_client_may_encrypt_and_stays_held() {
    let folder = Folder::fresh();
    let deny = "[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.0/8\"]\n";
    let (mut session, socket) = session(Script::polite(), &configured(&folder, deny));
    session.client.reply();
    session.plays("C: EHLO clear.example");
    assert_eq!(session.client.reply().last().unwrap(), "250 STARTTLS");
    session.plays("C: STARTTLS\nS: 220 2.0.0 Ready to start TLS");
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    says_hello(&mut client);
    client.plays("C: MAIL FROM:<a@b>\nS: 250 2.0.0 Ok\nC: RCPT TO:<c@d>");
    assert!(client.line().starts_with("55"));
    client.plays("C: QUIT\nS: 221 2.0.0 Bye");
    session.ends(&[0]);
    assert_eq!(session.mta.connections(), 0);
    session.logs(1, "verdict=perm helo=<secret\\.example> tls=TLSv1\\.3/.*");
}

#[test]
fn programs_learn_of_it() {
    let folder = Folder::fresh();
    let told = folder.file("told");
    let program = format!(
        "client_cert = \"ask\"\nmin_version = \"1.3\"\n[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\n\
         run = [\"/bin/sh\", \"-c\", \"/usr/bin/env > {}\"]\n",
        told.display()
    );
    let (mut session, socket) = session(Script::polite(), &configured(&folder, &program));
    asks_for_tls(&mut session);
    let config = Arc::new(client(&[&TLS13], true));
    let mut client = Encrypted::begins(&config, "mx.example.org", socket).shakes_hands();
    says_hello(&mut client);
    // Our 354, as the message is kept.
    client.plays(&ENVELOPE.replace("354 go ahead", "354 End data with <CR><LF>.<CR><LF>"));
    client.sends(b"text\r\n.\r\n");
    // What it makes of the message is another test's.
    client.reply();
    client.quits();
    session.ends(&[0]);
    let told = fs::read_to_string(told).unwrap();
    let value = |name: &str| {
        told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    assert_eq!(value("SW_TLS"), "TLSv1.3", "{told}");
    assert_eq!(value("SW_TLS_CIPHER"), "TLS_AES_128_GCM_SHA256");
    assert_eq!(value("SW_TLS_SNI"), "mx.example.org");
    let fingerprint = value("SW_TLS_CLIENT_CERT");
    assert_eq!(fingerprint.len(), 64, "{told}");
    session.logs(1, &format!("session=end cert={fingerprint}"));
}

#[test]
fn a_version_that_is_too_old() {
    let folder = Folder::fresh();
    let options = configured(&folder, "min_version = \"1.3\"\n");
    let (mut session, socket) = session(Script::polite(), &options);
    asks_for_tls(&mut session);
    let config = Arc::new(client(&[&TLS12], false));
    let mut client = Encrypted::begins(&config, "mx.example.org", socket);
    let error = client.connection.complete_io(&mut client.socket).unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    session.ends(&[0]);
    session.logs(1, "session=end end=tls\\.failed");
}

#[test]
fn a_relative_name_is_that_of_a_credential() {
    let state = Folder::fresh();
    let mut options = vec!["--state".to_owned(), state.file("").display().to_string()];
    options.extend(["--tls-cert", "mx.crt", "--tls-key", "mx.key"].map(str::to_owned));
    let credentials = format!("{}/tests/tls", env!("CARGO_MANIFEST_DIR"));
    let (mut session, socket) = session_with(Script::polite(), &options, |command| {
        command.env("CREDENTIALS_DIRECTORY", &credentials);
    });
    asks_for_tls(&mut session);
    let mut client = Encrypted::begins(&usual(), "mx.example.org", socket).shakes_hands();
    client.quits();
    session.ends(&[0]);
}

/// The MTA offers STARTTLS; what is said behind its 220 goes past the program.
fn encrypting_mta(said: &[u8]) -> Script {
    Script::polite()
        .on("EHLO", "250-mta.test\n250 STARTTLS")
        .on("STARTTLS", Act::Say(said.to_vec()))
        .on("inside", Act::Say(b"\x17\x03\x03 to the client\r\n".to_vec()))
}

#[test]
fn the_mta_encrypts() {
    // With what is sent too early, by either side, which gets to nobody.
    for (client, mta) in [(&b""[..], &b""[..]), (b"RSET\r\nEHLO evil\r\n", b"250 evil\r\n250 evil")]
    {
        let script = encrypting_mta(&[b"220 go ahead\r\n", mta].concat());
        let (mut session, _) = session(script, &[]);
        session.plays("S: 220 mta.test ESMTP\nC: EHLO clear.example");
        assert_eq!(session.client.reply(), ["250-mta.test", "250-STARTTLS", "250 CHUNKING"]);
        session.client.sends(&[b"STARTTLS\r\n", client].concat());
        session.client.gets("220 go ahead");
        session.client.hears_nothing(Duration::from_millis(50));
        session.client.sends(b"inside \x16\x03\x01\x00\xff\r\n");
        session.client.gets("\\x17\\x03\\x03 to the client");
        session.client.half_closes();
        session.client.is_closed();
        session.ends(&[0]);
        session
            .mta_heard_octets(b"EHLO clear.example\r\nSTARTTLS\r\ninside \x16\x03\x01\x00\xff\r\n");
        session.logs(1, "session=end end=tls\\.passed tls=pass why=<>");
        session.logs(usize::from(!client.is_empty()), "session=note why=<.*thrown.*>");
    }
}

#[test]
fn past_us_nobody_is_silent_for_ever() {
    let options = ["--time-limit", "0.5"].map(str::to_owned);
    let (mut session, _) = session(encrypting_mta(b"220 go ahead\r\n"), &options);
    session.greets();
    session.plays("C: STARTTLS\nS: 220 go ahead\nS: (closed)");
    session.ends(&[0]);
    session.logs(1, "session=end end=tls\\.passed why=<nothing.+>");
}

#[test]
fn who_encrypts_by_default() {
    let denies = |entry: &str| format!("[[filter]]\ntype = \"deny\"\nentries = [\"{entry}\"]\n");
    for (table, filters, offered) in [
        ("", String::new(), true),
        // It only wants to know who the client is.
        ("", denies("192.0.2.1"), true),
        ("", denies("from:a@b.example"), false),
        ("", denies("helo:b.example"), false),
        ("starttls = \"pass\"\n", denies("from:a@b.example"), true),
        ("starttls = \"hide\"\n", String::new(), false),
    ] {
        let folder = Folder::fresh();
        let path = folder.file("config.toml");
        let text = format!("state = {:?}\n[tls]\n{table}{filters}", folder.file(""));
        fs::write(&path, text).unwrap();
        let options = ["--config".to_owned(), path.display().to_string()];
        let (mut session, _) = session(encrypting_mta(b"454 no\r\n"), &options);
        session.plays("S: 220 mta.test ESMTP\nC: EHLO clear.example");
        let reply = session.client.reply();
        assert_eq!(
            reply.iter().any(|line| line.contains("STARTTLS")),
            offered,
            "{table} {filters}"
        );
        let said = if offered { "454 no" } else { "502 5.5.1 Command not offered here" };
        session.plays(&format!("C: STARTTLS\nS: {said}"));
        session.quits();
    }
}
