//! An MTA as it should be, and MTAs that are not.

use super::*;

#[test]
fn an_open_relay_is_an_error_unless_something_guards_it() {
    let (found, mta) = check(Script::polite(), &[]);
    found.ends(1).says("error", "OPEN RELAY: the MTA relays for this host");
    let heard = String::from_utf8(mta.heard().octets).unwrap();
    assert_eq!(
        heard,
        "EHLO mx.example\r\nMAIL FROM:<postmaster@mx.example>\r\n\
         RCPT TO:<probe@relay-test.invalid>\r\nRSET\r\nQUIT\r\n"
    );
    let (found, _) = check(refusing(), &[]);
    found.ends(0).says("ok", "does not relay for strangers (554 5.7.1 Relay access denied)");
    checked_with(RELAY, Script::polite()).0.ends(0).says("ok", "the filter relay is before it");
    for (more, severity, what) in [
        ("observe = true\n", "error", "OPEN RELAY"),
        ("clients = [\"0.0.0.0/0\"]\n", "error", "OPEN RELAY"),
        ("clients = [\"192.0.2.0/24\"]\n", "ok", "the filter relay is before it"),
        ("only = [\"192.0.2.0/24\"]\n", "error", "OPEN RELAY"),
        ("on_hit = \"tarpit\"\nthen = \"pass\"\n", "error", "OPEN RELAY"),
        ("except = [\"192.0.2.0/24\"]\n", "warning", "the filter relay has exceptions"),
    ] {
        let (found, _folder) = checked_with(&format!("{RELAY}{more}"), Script::polite());
        found.says(severity, what);
    }
    let (found, _) = check(Script::polite(), &["-f", "/bin/true"]);
    found.ends(0).says("warning", "only a program that is asked about messages");
}

#[test]
fn a_filter_that_sees_nothing_of_encrypted_sessions_guards_nothing() {
    let offers = || Script::polite().on("EHLO", "250-mta.test\n250 STARTTLS");
    let pass = format!("[tls]\nstarttls = \"pass\"\n{RELAY}");
    let (found, _folder) = checked_with(&pass, offers());
    found
        .ends(1)
        .says("error", "OPEN RELAY: the MTA relays for this host")
        .says("error", "no filter sees what is said after STARTTLS");
    assert!(found.out.contains("or starttls = \"hide\"; or tell the MTA who"), "{}", found.out);
    // One that does not relay, one that does not encrypt, and one that may not.
    checked_with(&pass, offers().on("RCPT TO:<probe", DENIED)).0.ends(0);
    checked_with(&pass, Script::polite()).0.ends(0);
    checked_with(RELAY, offers()).0.ends(0).says("ok", "the filter relay is before it");
    let knows =
        pass.clone() + "[upstream]\nidentity = \"xclient\"\n[dns]\nservers = [\"127.0.0.1:1\"]\n";
    let xclient = |script: Script| {
        script
            .on("EHLO", "250-mta.test\n250-STARTTLS\n250 XCLIENT NAME ADDR")
            .on("XCLIENT", "220 x")
    };
    let (found, _folder) = checked_with(&knows, xclient(refusing()));
    found.says("ok", "does not relay for strangers");
    let (found, _folder) = checked_with(&knows, xclient(Script::polite()));
    found.says("error", "relays for the client 192.0.2.1, a stranger");
}

#[test]
fn what_stays_open_is_said_to() {
    for (script, why) in [
        (
            Script::polite().on("RCPT", "451 4.7.1 Greylisted"),
            "RCPT is answered 451 4.7.1 Greylisted",
        ),
        (Script::polite().on("RCPT TO:<probe", "550 5.1.2 no such domain"), "is about the domain"),
        (Script::polite().on("RCPT", "421 4.7.0 no"), "RCPT is answered 421"),
        (Script::polite().on("MAIL", "550 5.7.1 no"), "MAIL is answered 550"),
    ] {
        let (found, _) = check(script, &[]);
        found.ends(0).says("note", "stays open").says("note", why);
    }
    // What it has against the client is no answer.
    let script = Script::polite().on("RCPT", "554 5.7.1 Client host rejected");
    check(script, &[]).0.ends(0).says("note", "postmaster likewise: it is not the recipient");
    let script = Script::polite().on("RCPT", "550 5.1.1 no").on("RCPT TO:<probe", DENIED);
    check(script, &[]).0.ends(0).says("ok", "does not relay for strangers");
    // Our name may be one that no mail comes from; the null reverse-path is taken everywhere.
    let script = Script::polite().on("MAIL FROM:<p", "550 5.1.8 who?").on("RCPT TO:<probe", DENIED);
    check(script, &[]).0.ends(0).says("ok", "does not relay for strangers");
}

#[test]
fn an_mta_that_does_not_work_is_an_error() {
    for (script, what) in [
        (Script::absent(), "cannot be reached"),
        (
            Script::polite().on("(greeting)", "554 5.3.2 not today"),
            "greets with 554 5.3.2 not today",
        ),
        (Script::polite().on("(greeting)", "421 4.3.2 later"), "greets with 421"),
        (
            Script::polite().on("(greeting)", Act::Close),
            "after the connection: it closed the connection",
        ),
        // The reset may come before we know that the connection stands.
        (Script::polite().on("(greeting)", Act::Reset), "127.0.0.1:"),
        (Script::polite().on("(greeting)", "SSH-2.0-x"), "no reply of SMTP: SSH-2.0-x"),
        (
            Script::polite().on("(greeting)", Act::Say(b"220 a\n".to_vec())),
            "no reply of SMTP: 220 a\\x0a",
        ),
        (Script::polite().on("(greeting)", "220 a\n220 b"), "spoke before it was asked: 220 b"),
        (
            Script::polite().on("EHLO", "502 5.5.1 old"),
            "does not take our EHLO: EHLO is answered 502",
        ),
        (
            Script::polite().on("RCPT", Act::Close),
            "after RCPT TO:<probe@relay-test.invalid>: it closed",
        ),
        (Script::polite().on("RCPT", "250-a\n251 b"), "no reply of SMTP: 251 b"),
    ] {
        check(script, &[]).0.ends(1).says("error", what);
    }
}

#[test]
fn whatever_the_mta_does_there_is_an_end() {
    let piece = |text: &str| Act::Slowly(Duration::from_millis(300), lines(text));
    for (script, what) in [
        (
            Script::polite().on("(greeting)", Act::Silence),
            "it said nothing (complete) in 1 seconds",
        ),
        (Script::polite().on("EHLO", Act::Silence), "after EHLO mx.example: it said nothing"),
        (Script::polite().on("EHLO", Act::Deaf), "after EHLO mx.example: it said nothing"),
        (
            Script::polite().on("(greeting)", piece("220 mta.test ESMTP")),
            "it said nothing (complete)",
        ),
        (
            Script::polite().on("EHLO", Act::Endless(b"250-x\r\n".to_vec())),
            "no reply of SMTP: 250-x",
        ),
        (Script::polite().on("EHLO", Act::Endless(b"x".to_vec())), "no reply of SMTP: xxx"),
        (Script::polite().on("EHLO", Act::Endless(b"250 x\r\n".to_vec())), "127.0.0.1:"),
        (Script::polite().on("QUIT", Act::Silence), "OPEN RELAY"),
    ] {
        let began = Instant::now();
        check(script, &["-t", "1"]).0.ends(1).says("error", what);
        assert!(began.elapsed() < Duration::from_secs(6), "{what}: {:?}", began.elapsed());
    }
}

#[test]
fn what_comes_from_outside_is_printable() {
    let script = || {
        Script::polite()
            .on("(greeting)", Act::Say(b"220 a\x1b[31m \xe2\x80\xae\"\\ b\r\n".to_vec()))
            .on("EHLO", Act::Say(b"250-x\r\n250 KEY\x1b\x9b\r\n".to_vec()))
    };
    for json in [&[][..], &["--json"]] {
        let found = check(script(), json).0;
        let clean = found.out.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n'));
        assert!(clean && found.out.contains("a?[31m"), "{}", found.out.escape_debug());
    }
}

#[test]
fn keywords_that_clients_see_and_those_they_do_not() {
    let offer = "250-mta.test\n250-SIZE 1\n250-STARTTLS\n250-ETRN\n250 PIPELINING";
    let script = || Script::polite().on("EHLO", offer).on("RCPT TO:<probe", DENIED);
    let (found, _) = check(script(), &[]);
    found.ends(0).says("ok", "clients see SIZE, STARTTLS, PIPELINING, CHUNKING (ours); not ETRN");
    let (found, _) = check(script(), &["--starttls", "hide"]);
    found
        .ends(0)
        .says("ok", "clients see SIZE, PIPELINING, CHUNKING (ours); not STARTTLS, ETRN")
        .says("note", "the MTA offers STARTTLS, which clients do not see");
}

#[test]
fn keywords_that_are_kept_from_clients_who_do_not_encrypt_or_from_filters() {
    let offer =
        "250-mta.test\n250-AUTH PLAIN\n250-AUTH=PLAIN\n250-BINARYMIME\n250-CHUNKING\n250 STARTTLS";
    let script = || Script::polite().on("EHLO", offer).on("RCPT TO:<probe", DENIED);
    let (found, _) = check(script(), &[]);
    found.says(
        "ok",
        "see BINARYMIME, CHUNKING, STARTTLS; not AUTH, AUTH=PLAIN; AUTH they see when they have encrypted",
    );
    let both = format!("{ROOT}/tests/tls/both.pem");
    let (found, _) = check(script(), &["--tls-cert", &both]);
    found.says(
        "ok",
        "see BINARYMIME, CHUNKING, STARTTLS (ours); not AUTH, AUTH=PLAIN; AUTH they see when",
    );
    let (found, _folder) = checked_with(
        "[session]\nauth_in_clear = true\n[tls]\nstarttls = \"hide\"\n[[filter]]\ntype = \"program\"\n\
         at = \"message\"\ncontract = \"original\"\nrun = [\"/bin/true\"]\n",
        script(),
    );
    found.says("ok", "see AUTH, AUTH=PLAIN, CHUNKING; not BINARYMIME, STARTTLS");
    let plain = Script::polite().on("EHLO", "250-mta.test\n250 AUTH PLAIN");
    check(plain.on("RCPT TO:<probe", DENIED), &[])
        .0
        .says("ok", "see AUTH, CHUNKING (ours); not nothing");
}

#[test]
fn xclient_has_to_be_offered_and_done() {
    let offers = || {
        Script::polite()
            .on("EHLO", "250-mta.test\n250 XCLIENT NAME ADDR")
            .on("RCPT TO:<probe", DENIED)
    };
    let xclient = ["--identity", "xclient", "--dns", "127.0.0.1:1"];
    let (found, mta) = check(offers().on("XCLIENT", "220 mta.test knows you"), &xclient);
    // The name server is none; the MTA is as it should be.
    found.says("ok", "XCLIENT is done, the client 192.0.2.1 is greeted: 220 mta.test knows you");
    found.says("ok", "does not relay for strangers").says("error", "127.0.0.1:1: the name server");
    assert_eq!(mta.connections(), 2, "once as a stranger, once as ourselves");
    for (script, severity, what) in [
        (Script::polite(), "error", "XCLIENT is not offered"),
        (Script::polite().on("EHLO", "250-x\n250 XCLIENT NAME"), "error", "offered without ADDR"),
        (offers().on("XCLIENT", "550 5.7.0 not you"), "error", "XCLIENT is answered 550"),
        (
            offers().on("XCLIENT", "554 5.7.1 listed"),
            "note",
            "refuses the client 192.0.2.1 at once",
        ),
        (
            offers().on("XCLIENT", "220 x").on("RCPT", "250 2.1.5 ok"),
            "error",
            "OPEN RELAY: the MTA relays for the client 192.0.2.1",
        ),
        (
            offers().on("XCLIENT", "220 x").on("RCPT", "250 ok").once("RCPT TO:<probe", DENIED),
            "note",
            "without XCLIENT, from this host itself, the MTA relays (250 ok)",
        ),
    ] {
        check(script, &xclient).0.says(severity, what);
    }
}

#[test]
fn a_proxy_header_has_to_be_taken_and_should_be_required() {
    let wants = |text: &str| refusing().on("(greeting)", Act::Say(Vec::new())).on("PROXY", text);
    let v1 = ["--identity", "proxy-v1"];
    let (found, _) = check(wants("220 mta.test ESMTP"), &v1);
    found.ends(0).says("ok", "does not work without a PROXY header").says("ok", "does not relay");
    let (found, _) =
        check(Script::polite().on("PROXY", Act::Say(Vec::new())).on("RCPT TO:<probe", DENIED), &v1);
    found.ends(0).says("warning", "works without a PROXY header too");
    check(Script::polite(), &v1).0.ends(1).says("error", "does not take the PROXY header");
    let (found, _) = check(Script::polite(), &["--identity", "proxy-v2"]);
    found.ends(1).says("error", "does not take the PROXY header");
}

#[test]
fn an_mta_that_is_a_program_is_run() {
    let folder = Folder::fresh();
    let program = folder.file("mta.sh");
    let text = "#!/bin/sh\necho told $TCPREMOTEIP >&2\nprintf '220 x\\r\\n'\nwhile read -r line; do\n\
                case $line in QUIT*) printf '221 x\\r\\n'; exit;; *) printf '250 x\\r\\n';; esac\ndone\n";
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let upstream = format!("exec:{}", program.display());
    let found = run(&["check", "--config", "none", "--log", "none", "--upstream", &upstream]);
    found
        .ends(1)
        .says("error", "OPEN RELAY: the MTA relays for what it takes for a local user")
        .says("note", "wrote to standard error: told 192.0.2.1");
    // One that goes nowhere, with somebody left who holds its connection.
    fs::write(&program, "#!/bin/sh\nsleep 30 &\n").unwrap();
    let began = Instant::now();
    let found =
        run(&["check", "--config", "none", "--log", "none", "-t", "2", "--upstream", &upstream]);
    found.ends(1).says("error", &upstream);
    assert!(began.elapsed() < Duration::from_secs(8));
}
