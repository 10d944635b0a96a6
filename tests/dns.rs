//! The stub resolver against a real name server on loopback that does everything wrong that one can
//! do.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::dns::{Does, Entry, NameServer, a, alias, ptr};
use smtp_wrapper::dns::{Answer, Config, Kind, Queries, Record};
use smtp_wrapper::host::{Host, Iprev, Lookup};
use smtp_wrapper::sys::Waiter;

const SECOND: Duration = Duration::from_secs(1);

/// Asks all of it at once, and waits for the answers.
fn ask(config: &Config, limit: Duration, questions: &[(&str, Kind)]) -> (Vec<String>, Duration) {
    let began = Instant::now();
    let mut queries = Queries::new(config.clone(), began + limit);
    let numbers: Vec<_> = questions
        .iter()
        .map(|(name, kind)| queries.ask(name.as_bytes(), *kind, Instant::now()))
        .collect();
    wait(|fds| {
        queries.advance(Instant::now());
        queries.fds(fds);
        queries.wakes_at()
    });
    let shown = numbers.into_iter().map(|n| show(queries.answer(n).expect("an answer")));
    (shown.collect(), began.elapsed())
}

/// Goes on until there is nothing to wait for.
fn wait(mut step: impl FnMut(&mut Vec<libc::pollfd>) -> Option<Instant>) {
    let waiter = Waiter::new(None);
    for _ in 0..1000 {
        let mut fds = Vec::new();
        let Some(until) = step(&mut fds) else { return };
        let time = until.saturating_duration_since(Instant::now());
        waiter.wait(&mut fds, time).expect("a wait");
    }
    panic!("it never ends");
}

fn show(answer: &Answer) -> String {
    match answer {
        Answer::NoName => "no name".to_owned(),
        Answer::NoData => "no data".to_owned(),
        Answer::Trouble(trouble) => trouble.name().to_owned(),
        Answer::Records(records) => {
            let show = |record: &Record| match record {
                Record::Ip(ip) => ip.to_string(),
                Record::Name(name) => String::from_utf8(name.clone()).unwrap(),
            };
            records.iter().map(show).collect::<Vec<_>>().join(" ")
        }
    }
}

fn config(server: &NameServer) -> Config {
    Config { timeout: SECOND, attempts: 2, ..Config::of(vec![server.address()]) }
}

#[test]
fn every_fault_has_its_answer() {
    let good = || Box::new(a(&["192.0.2.7"]));
    let target = || Entry("b.example".to_owned(), 1, vec![192, 0, 2, 7]);
    let server = NameServer::new()
        .knows("good.example", *good())
        .knows("data.example", Does::Records(Vec::new()))
        .knows("fail.example", Does::Code(2))
        .knows("refused.example", Does::Code(5))
        .knows("garbage.example", Does::Garbage)
        .knows("late.example", Does::Late(SECOND / 4, good()))
        .knows("cut.example", Does::Truncated(good()))
        .knows("twice-cut.example", Does::Truncated(Box::new(Does::Half(good()))))
        .knows("spoofed.example", Does::Spoofed(good()))
        .knows("lost.example", Does::SecondTime(good()))
        .knows("silent.example", Does::Silence)
        .knows("alias.example", alias("b.example", vec![target()]))
        .knows("bare.example", alias("good.example", Vec::new()))
        .knows("round.example", alias("round.example", Vec::new()))
        .knows("circle.example", alias("circle2.example", Vec::new()))
        .knows("circle2.example", alias("circle.example", Vec::new()))
        .knows("nowhere.example", alias("nothing.example", Vec::new()))
        .knows("two.example", a(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]))
        .knows("many.example", Does::Records(vec![target(); 40]))
        // Longer than it may be by UDP, and not marked as cut.
        .knows("wide.example", {
            let others = (0..40).map(|n| Entry(format!("other{n}.example"), 1, vec![0; 4]));
            let good = Entry("wide.example".to_owned(), 1, vec![192, 0, 2, 7]);
            Does::Records(others.chain([good]).collect())
        })
        .knows("big.example", {
            let names: Vec<_> =
                (0..200).map(|n| format!("{n}.{}.example", "x".repeat(60))).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            Does::Truncated(Box::new(ptr(&names)))
        });
    for (name, kind, expected, most) in [
        ("good.example", Kind::A, "192.0.2.7", 500),
        ("GOOD.example", Kind::A, "192.0.2.7", 500),
        ("missing.example", Kind::A, "no name", 500),
        ("data.example", Kind::A, "no data", 500),
        ("good.example", Kind::Aaaa, "no data", 500),
        ("fail.example", Kind::A, "servfail", 500),
        ("refused.example", Kind::A, "refused", 500),
        ("garbage.example", Kind::A, "malformed", 500),
        ("late.example", Kind::A, "192.0.2.7", 800),
        ("cut.example", Kind::A, "192.0.2.7", 800),
        ("twice-cut.example", Kind::A, "malformed", 800),
        ("spoofed.example", Kind::A, "192.0.2.7", 500),
        ("lost.example", Kind::A, "192.0.2.7", 1800),
        ("silent.example", Kind::A, "timeout", 2800),
        ("alias.example", Kind::A, "192.0.2.7", 500),
        ("bare.example", Kind::A, "192.0.2.7", 500),
        ("round.example", Kind::A, "malformed", 500),
        ("circle.example", Kind::A, "malformed", 1500),
        ("nowhere.example", Kind::A, "no name", 500),
        ("two.example", Kind::A, "192.0.2.1 192.0.2.2", 500),
        ("two.example", Kind::Aaaa, "2001:db8::1", 500),
        ("many.example", Kind::A, "no data", 500), // of another owner
        ("wide.example", Kind::A, "192.0.2.7", 500),
    ] {
        let (said, took) = ask(&config(&server), SECOND * 5, &[(name, kind)]);
        assert_eq!(said, [expected], "{name} {kind:?}");
        assert!(took < Duration::from_millis(most), "{name} {kind:?} took {took:?}");
    }
    let (said, _) = ask(&config(&server), SECOND * 5, &[("big.example", Kind::Ptr)]);
    assert_eq!(said.concat().split(' ').count(), 16);
}

#[test]
fn many_questions_take_the_time_of_one_and_the_limit_holds() {
    let late = |ms| Does::Late(Duration::from_millis(ms), Box::new(a(&["192.0.2.7"])));
    let mut server = NameServer::new().knows("silent.example", Does::Silence);
    let names: Vec<_> = (0..10).map(|n| format!("h{n}.example")).collect();
    for name in &names {
        server = server.knows(name, late(300));
    }
    let questions: Vec<_> = names.iter().map(|name| (name.as_str(), Kind::A)).collect();
    let (said, took) = ask(&config(&server), SECOND * 5, &questions);
    assert!(said.iter().all(|said| said == "192.0.2.7"), "{said:?}");
    assert!(took < SECOND, "{took:?}");
    let both = [("silent.example", Kind::A), ("h1.example", Kind::A)];
    let (said, took) = ask(&config(&server), SECOND / 2, &both);
    assert_eq!(said, ["timeout", "192.0.2.7"]);
    assert!(took >= SECOND / 2 && took < SECOND, "{took:?}");
    // More than a session may ask.
    let (said, _) = ask(&config(&server), SECOND, &[("h1.example", Kind::A); 40]);
    assert_eq!(said.iter().filter(|said| *said == "refused").count(), 8);
}

#[test]
fn another_server_helps() {
    let good = || NameServer::new().knows("good.example", a(&["192.0.2.7"]));
    let ask = |servers: Vec<&NameServer>| {
        let servers = servers.iter().map(|server| server.address()).collect();
        let config = Config { timeout: SECOND / 2, attempts: 2, ..Config::of(servers) };
        self::ask(&config, SECOND * 5, &[("good.example", Kind::A)])
    };
    for (fault, most) in
        [(Does::Code(2), 400), (Does::Code(5), 400), (Does::Garbage, 400), (Does::Silence, 900)]
    {
        let bad = NameServer::new().knows("good.example", fault.clone());
        let (said, took) = ask(vec![&bad, &good()]);
        assert_eq!(said, ["192.0.2.7"], "{fault:?}");
        assert!(took < Duration::from_millis(most), "{fault:?} {took:?}");
    }
    // A denial is an answer.
    let none = NameServer::new();
    assert_eq!(ask(vec![&none, &good()]).0, ["no name"]);
    // All of them fail: the most telling fault.
    let (fail, silent) = (
        NameServer::new().knows("good.example", Does::Code(2)),
        NameServer::new().knows("good.example", Does::Silence),
    );
    assert_eq!(ask(vec![&fail, &silent]).0, ["servfail"]);
}

#[test]
fn nobody_there() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (said, took) = ask(&Config::of(vec![address]), SECOND * 5, &[("x.example", Kind::A)]);
    assert_eq!(said, ["unreachable"]);
    assert!(took < SECOND, "{took:?}");
}

fn host(server: &NameServer, ip: &str) -> Host {
    let mut lookup = Lookup::start(config(server), ip.parse::<IpAddr>().unwrap(), SECOND * 3);
    let mut host = None;
    wait(|fds| {
        host = lookup.advance();
        lookup.fds(fds);
        lookup.wakes_at().filter(|_| host.is_none())
    });
    host.expect("an end")
}

#[test]
fn names_that_lead_back() {
    let reverse = |n: u8| format!("{n}.2.0.192.in-addr.arpa");
    let server = NameServer::new()
        .host("192.0.2.1", "mail.example.org")
        .knows(&reverse(2), ptr(&["elsewhere.example"]))
        .knows("elsewhere.example", a(&["192.0.2.99"]))
        .knows(&reverse(3), ptr(&["nothing.example"]))
        .knows(&reverse(4), Does::Code(2))
        .knows(&reverse(5), ptr(&["fail.example"]))
        .knows("fail.example", Does::Code(2))
        .knows(&reverse(6), ptr(&["fail.example", "Z.example", "b.example", "b.example"]))
        .knows("z.example", a(&["192.0.2.6"]))
        .knows("b.example", a(&["192.0.2.7", "192.0.2.6"]))
        .knows(&reverse(7), ptr(&[""]))
        .knows(&reverse(8), Does::Records(Vec::new()))
        .knows(&reverse(9), alias("9.sub.2.0.192.in-addr.arpa", Vec::new())) // RFC 2317
        .knows("9.sub.2.0.192.in-addr.arpa", ptr(&["nine.example"]))
        .knows("nine.example", a(&["192.0.2.9"]))
        .host("2001:db8::1", "six.example");
    for (ip, iprev, name, confirmed, questions) in [
        ("192.0.2.1", Iprev::Pass, "mail.example.org", "mail.example.org", 2),
        ("192.0.2.2", Iprev::Fail, "elsewhere.example", "", 2),
        ("192.0.2.3", Iprev::Fail, "nothing.example", "", 2),
        ("192.0.2.4", Iprev::TempError, "", "", 1),
        ("192.0.2.5", Iprev::TempError, "fail.example", "", 2),
        ("192.0.2.6", Iprev::Pass, "Z.example", "Z.example b.example", 4),
        ("192.0.2.7", Iprev::PermError, "", "", 1),
        ("192.0.2.8", Iprev::PermError, "", "", 1),
        ("192.0.2.9", Iprev::Pass, "nine.example", "nine.example", 2),
        ("192.0.2.10", Iprev::PermError, "", "", 1),
        ("2001:db8::1", Iprev::Pass, "six.example", "six.example", 2),
        ("2001:db8::2", Iprev::PermError, "", "", 1),
    ] {
        let host = host(&server, ip);
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        assert_eq!(host.iprev, iprev, "{ip}");
        assert_eq!(text(&host.name.unwrap_or_default()), name, "{ip}");
        let names: Vec<_> = host.confirmed.iter().map(|name| text(name)).collect();
        assert_eq!(names.join(" "), confirmed, "{ip}");
        assert_eq!(host.questions, questions, "{ip}");
    }
    // The limit is one for all questions.
    let silent = NameServer::new()
        .knows(&reverse(1), Does::Late(SECOND * 2, Box::new(ptr(&["late.example"]))))
        .knows("late.example", Does::Silence);
    let slow = Config { timeout: SECOND * 5, ..Config::of(vec![silent.address()]) };
    let began = Instant::now();
    let mut lookup = Lookup::start(slow, [192, 0, 2, 1].into(), SECOND * 3);
    let mut host = None;
    wait(|fds| {
        host = lookup.advance();
        lookup.fds(fds);
        lookup.wakes_at().filter(|_| host.is_none())
    });
    assert_eq!(host.map(|host| host.iprev), Some(Iprev::TempError));
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
}
