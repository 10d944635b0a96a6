//! What goes wrong on the client's side at each stage of a session, and SIGTERM.
//!
//! In every case: the MTA never sees an end of mail data that the client did not send, the session
//! has its log line, and the process is gone in bounded time. A client's doing is no fault of ours:
//! exit status 0.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::thread;
use std::time::Duration;

use common::{Act, Client, Folder, Program, Script, Session, connection, each, lines};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

/// Stages whose reply the client has, and now it is the client's turn.
const ANSWERED: &[&str] = &["EHLO", "MAIL", "RCPT", "DATA", "."];

/// Stages whose reply the MTA holds back, so that it is the MTA's turn.
const HELD: &[(&str, &str)] = &[
    ("(greeting)", "220 mta.test ESMTP"),
    ("EHLO", "250-mta.test\n250 CHUNKING"),
    ("MAIL", "250 2.1.0 sender ok"),
    ("RCPT", "250 2.1.5 recipient ok"),
    ("DATA", "354 go ahead"),
    (".", "250 2.0.0 queued"),
    ("QUIT", "221 2.0.0 goodbye"),
];

/// A moment that is long for the program, and short for a test.
const SHORT: Duration = Duration::from_millis(150);

/// A session in which the client has said something that the MTA does not answer yet.
fn held_at(stage: &str, reply: &str) -> Session {
    let mut s = Session::with(Script::polite().on(stage, Act::Held(lines(reply))));
    s.plays_until(stage);
    match stage {
        "(greeting)" => s.mta.waits("a connection", |_| true),
        "." => s.mta.waits("the message", |heard| !heard.messages.is_empty()),
        verb => s.mta.waits_for(verb),
    }
    s
}

/// The client goes away in one of three ways.
type Way = (&'static str, fn(&mut Client));

const WAYS: &[Way] =
    &[("leaves", Client::leaves), ("resets", Client::resets), ("half-closes", Client::half_closes)];

#[test]
fn a_client_that_goes_on_its_turn() {
    let cases = ANSWERED.iter().flat_map(|stage| WAYS.iter().map(move |way| (*stage, *way)));
    each(&cases.collect::<Vec<_>>(), |(stage, (_, goes))| {
        let mut s = Session::starts();
        s.plays_through(stage);
        goes(&mut s.client);
        let rest = s.client.rest();
        assert!(rest.iter().all(|line| line.starts_with("421 ")), "{rest:?}");
        s.ends(&[0]);
        s.logs(usize::from(*stage == "."), "verdict=pass");
        if *stage != "." {
            s.mta_has_no_message();
        }
    });
}

#[test]
fn a_client_that_goes_on_the_mtas_turn() {
    let cases = HELD.iter().flat_map(|held| WAYS.iter().map(move |way| (*held, *way)));
    each(&cases.collect::<Vec<_>>(), |((stage, reply), (way, goes))| {
        let mut s = held_at(stage, reply);
        goes(&mut s.client);
        std::thread::sleep(SHORT);
        s.mta.lets_go();
        let rest = s.client.rest();
        if *way == "half-closes" && *stage != "(greeting)" {
            // What it has said is answered.
            assert_eq!(rest.first().map(String::as_str), reply.lines().next());
        }
        s.ends(&[0]);
        match *stage {
            // The MTA has it. What is logged is what the MTA said, if we still heard it.
            "." => s.logs(1, "verdict=(pass|none) at=message to=<b@mta.test>"),
            "QUIT" => s.logs(1, "verdict=pass"),
            _ => drop(s.mta_has_no_message()),
        }
    });
}

#[test]
fn a_client_that_goes_within_mail_data() {
    // Wherever it stops, what came is not the end of mail data.
    let stops = ["", "te", "text", "text\r", "text\r\n", "text\r\n.", "text\r\n.\r", ".", ".\r"];
    let cases = stops.iter().flat_map(|stop| WAYS.iter().map(move |way| (*stop, *way)));
    each(&cases.collect::<Vec<_>>(), |(stop, (_, goes))| {
        let mut s = Session::with(Script::lenient());
        s.opens_a_message();
        s.client.sends(stop.as_bytes());
        std::thread::sleep(Duration::from_millis(20));
        goes(&mut s.client);
        let rest = s.client.rest();
        assert!(rest.iter().all(|line| line.starts_with("421 ")), "{rest:?}");
        s.ends(&[0]);
        let heard = s.mta_has_no_message().octets;
        assert!(!heard.ends_with(b"QUIT\r\n"), "a command within mail data");
        s.logs(0, "verdict=pass");
    });
}

#[test]
fn a_client_that_sends_all_and_half_closes_gets_all_its_replies() {
    let mut s = Session::starts();
    s.greets();
    s.client.sends(
        b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mta.test>\r\nDATA\r\ntext\r\n.\r\nNOOP\r\n",
    );
    s.client.half_closes();
    s.plays(
        "S: 250 2.1.0 sender ok
         S: 250 2.1.5 recipient ok
         S: 354 go ahead
         S: 250 2.0.0 queued
         S: 250 2.0.0 nothing done",
    );
    s.client.rest();
    s.ends(&[0]);
    s.mta_has_message(b"text\r\n");
    s.logs(1, "verdict=pass");
}

#[test]
fn a_client_that_says_nothing_is_told_so() {
    each(ANSWERED, |stage| {
        let mut s = Session::with_options(Script::polite(), &["-t", "0.5"]);
        s.plays_through(stage);
        s.plays("S: 421 4.4.2…\nS: (closed)");
        s.ends(&[0]);
        s.took_less_than(Duration::from_secs(3));
        if *stage != "." {
            s.mta_has_no_message();
        }
    });
    // In the middle of things.
    each(&["NOO", "MAIL FROM:<", "MAIL FROM:<a@client.example>\r\nRCPT T"], |part| {
        let mut s = Session::with_options(Script::polite(), &["-t", "0.5"]);
        s.greets();
        s.client.sends(part.as_bytes());
        if part.contains('\n') {
            s.plays("S: 250 2.1.0 sender ok");
        }
        s.plays("S: 421 4.4.2…\nS: (closed)");
        s.ends(&[0]);
    });
    let mut s = Session::with_options(Script::polite(), &["-t", "0.5"]);
    s.opens_a_message();
    s.client.sends(b"text\r\n.");
    s.plays("S: 421 4.4.2…\nS: (closed)");
    s.ends(&[0]);
    s.mta_has_no_message();
}

#[test]
fn a_client_that_trickles_is_served() {
    let mut s = Session::with_options(Script::polite(), &["-t", "2"]);
    s.greets();
    let slowly = Duration::from_millis(15);
    s.client.trickles(b"MAIL FROM:<a@client.example>\r\n", 1, slowly);
    s.client.trickles(b"RCPT TO:<b@mta.test>\r\nDATA\r\n", 1, slowly);
    s.plays("S: 250 2.1.0 sender ok\nS: 250 2.1.5 recipient ok\nS: 354 go ahead");
    s.client.trickles(b"text\r\n.\r\nQUIT\r\n", 1, slowly);
    s.plays("S: 250 2.0.0 queued\nS: 221 2.0.0 goodbye\nS: (closed)");
    s.ends(&[0]);
    s.mta_has_message(b"text\r\n");
}

#[test]
fn a_client_that_never_finishes_a_line_is_told_so() {
    let mut s = Session::with_options(Script::polite(), &["-t", "0.5"]);
    s.greets();
    // Each octet in time, the line never.
    s.client.forgiving = true;
    for _ in 0..40 {
        s.client.sends_if_open(b"x");
        std::thread::sleep(Duration::from_millis(50));
    }
    s.plays("S: 421 4.4.2…\nS: (closed)");
    s.ends(&[0]);
    s.took_less_than(Duration::from_secs(5));
}

/// An MTA with much to say: 4 KiB for each HELP.
fn talkative() -> Script {
    let reply = "214-2.0.0 0123456789012345678901234567890123456789012345678\n".repeat(70);
    Script::polite().on("HELP", format!("{reply}214 2.0.0 that is all").as_str())
}

#[test]
fn a_client_that_does_not_read_its_replies() {
    let mut s = Session::with_options(talkative(), &["-t", "1"]);
    s.greets();
    // 80 MB of replies: more than any socket holds.
    let flood = s.client.floods(b"HELP\r\n".repeat(20_000));
    std::thread::sleep(Duration::from_millis(700));
    let peak = s.program.peak_memory();
    assert!(peak < 12_000, "{peak} KiB for one session");
    s.ends(&[0]);
    flood.join().expect("no panic");
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let mut s = Session::with(talkative());
    s.greets();
    let flood = s.client.floods(b"HELP\r\n".repeat(2_000));
    std::thread::sleep(SHORT);
    for _ in 0..2_000 {
        assert_eq!(s.client.reply().len(), 71);
    }
    flood.join().expect("no panic");
    s.quits();
}

#[test]
fn sigterm_on_the_clients_turn() {
    each(ANSWERED, |stage| {
        let mut s = Session::starts();
        s.plays_through(stage);
        if *stage == "DATA" {
            s.client.sends(b"text\r\n.");
            s.mta.waits_for("text");
        }
        s.program.terminate();
        s.plays("S: 421 4.3.2…\nS: (closed)");
        s.ends(&[0]);
        s.took_less_than(Duration::from_secs(4));
        if *stage != "." {
            s.mta_has_no_message();
        }
    });
}

#[test]
fn sigterm_on_the_mtas_turn() {
    each(HELD, |(stage, reply)| {
        let mut s = held_at(stage, reply);
        s.program.terminate();
        match *stage {
            // The message is with the MTA: what becomes of it is the MTA's to say.
            "." => {
                s.client.hears_nothing(SHORT);
                s.mta.lets_go();
                s.plays("S: 250 2.0.0 queued");
                s.is_over();
            }
            "QUIT" => drop(s.client.rest()),
            _ => s.plays("S: 421 4.3.2…\nS: (closed)"),
        }
        s.mta.lets_go();
        s.ends(&[0]);
        match *stage {
            "." | "QUIT" => s.logs(1, "verdict=pass"),
            _ => drop(s.mta_has_no_message()),
        }
    });
}

#[test]
fn sigterm_waits_no_longer_for_a_client_that_reads_nothing_than_for_its_last_reply() {
    let (ours, theirs) = connection();
    // Little is on its way to it.
    set_socket_recv_buffer_size(&ours, 1).expect("SO_RCVBUF");
    set_socket_send_buffer_size(&theirs, 1).expect("SO_SNDBUF");
    let long = Act::from(("214-2.0.0 and so on\n".repeat(100) + "214 2.0.0 x").as_str());
    let folder = Folder::fresh();
    let command = Program::command(&folder.file(""));
    let mut s = Session::on(ours, theirs, Script::polite().on("HELP", long), folder, command, &[]);
    s.client.sends(&b"HELP\r\n".repeat(200));
    s.mta.waits_for("HELP\r\nHELP\r\n");
    thread::sleep(Duration::from_millis(500));
    s.program.terminate();
    assert_eq!(s.program.status(), Some(0));
    s.took_less_than(Duration::from_secs(6));
    s.logs(1, "session=end end=session.shutting-down");
}
