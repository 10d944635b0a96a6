//! `report`: a month of traffic with known servers and bots, and the page.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "report/traffic.rs"]
mod traffic;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use common::Folder;
use common::tool::{figure, tool};
use traffic::{Host, Month};

/// Output and exit status of `report` over this log.
fn report(words: &[&str], log: &[u8]) -> (String, i32) {
    tool(&[&["report"], words].concat(), log)
}

fn entries(list: &str) -> Vec<&str> {
    list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// Does the entry let the host in?
fn lets_in(entry: &str, host: &Host) -> bool {
    if let Some((network, length)) = entry.split_once('/') {
        let (network, length): (Ipv4Addr, u32) =
            (network.parse().unwrap(), length.parse().unwrap());
        return (network.to_bits() ^ host.ip.to_bits()).leading_zeros() >= length;
    }
    match (entry.parse::<IpAddr>(), &host.name) {
        (Ok(ip), _) => ip == host.ip,
        (Err(_), Some(name)) => {
            name == entry
                || (entry.starts_with('.') && (name.ends_with(entry) || *name == entry[1..]))
        }
        (Err(_), None) => false,
    }
}

#[test]
fn servers_that_came_back_are_proposed_and_bots_are_not() {
    for seed in 1..=4 {
        let month = Month::new(seed);
        let (list, status) = report(&["--allow", "-"], month.log().as_bytes());
        assert_eq!(status, 0, "{list}");
        let entries = entries(&list);
        let hit = |host: &Host| entries.iter().find(|entry| lets_in(entry, host));
        for bot in &month.bots {
            assert_eq!(hit(bot), None, "{seed}: {bot:?}");
        }
        let missing: Vec<_> = month.servers.iter().filter(|host| hit(host).is_none()).collect();
        let (all, missed) = (month.servers.len(), missing.len());
        println!("seed {seed}: {} of {all} servers by {} entries", all - missed, entries.len());
        assert!(missed * 20 <= all, "{seed}: {missed} of {all} are missing: {missing:#?}");
        let networks = entries.iter().filter(|entry| entry.contains('/')).count();
        let domains = entries.iter().filter(|entry| entry.starts_with('.')).count();
        assert!(networks > 5 && domains > 10, "{entries:#?}");
    }
}

#[test]
fn the_figures_are_those_of_the_traffic() {
    let month = Month::new(9);
    let (text, status) = report(&["-"], month.log().as_bytes());
    assert_eq!(status, 0);
    assert!(text.starts_with("smtp-wrapper report: 2026-03-01 to 2026-03-30, 30 days\n"), "{text}");
    let [pass, temp, reject] = month.fates;
    let later = figure(&text, "accepted later");
    for (name, value) in [
        ("recipients", pass + temp + reject),
        ("refused for now", temp),
        ("refused for good", reject),
        ("sessions", pass),
        ("messages", pass),
        ("would be refused", month.would),
    ] {
        assert_eq!(figure(&text, name), value, "{name} in {text}");
    }
    // A message has another recipient nearly each time.
    assert!(later <= month.later && later * 10 >= month.later * 9, "{later} of {}", month.later);
    assert!(text.contains(&format!("; {} hosts are let in", month.allowed)), "{text}");
    // What is told of hours, days, rules and filters adds up to the same.
    let part = |head: &str| -> [u64; 3] {
        let rest = text.split_once(&format!("\n{head}")).expect(head).1;
        let lines = rest.lines().skip(3).take_while(|line| !line.is_empty());
        lines.fold([0; 3], |sum, line| {
            let line = line.trim().split_once(' ').unwrap().1.trim_start();
            let mut columns = line.split("  ").filter(|column| !column.trim().is_empty());
            sum.map(|sum| {
                sum + columns
                    .next()
                    .unwrap()
                    .trim()
                    .split('#')
                    .next()
                    .unwrap()
                    .trim()
                    .replace(' ', "")
                    .parse::<u64>()
                    .unwrap()
            })
        })
    };
    assert_eq!(part("days"), month.fates);
    assert_eq!(part("hours"), month.fates);
    assert_eq!(part("rules"), [temp, reject, month.would]);
    assert_eq!(part("filters"), [temp, reject, month.would]);
}

#[test]
fn days_can_be_chosen() {
    let log = Month::new(3).log();
    let all = report(&["-"], log.as_bytes()).0;
    let (first, _) = report(&["--until", "2026-03-10", "-"], log.as_bytes());
    let (last, _) = report(&["--since=2026-03-11", "-"], log.as_bytes());
    assert!(
        first.starts_with("smtp-wrapper report: 2026-03-01 to 2026-03-10, 10 days\n"),
        "{first}"
    );
    let sum = figure(&first, "recipients") + figure(&last, "recipients");
    assert_eq!(sum, figure(&all, "recipients"));
    let (text, status) = report(&["--since", "yesterday", "-"], b"");
    assert!(status == 78 && text.contains("must be a day"), "{text}");
}

#[test]
fn what_is_proposed_is_a_list() {
    let folder = Folder::fresh();
    let (list, config) = (folder.file("allow.list"), folder.file("c.toml"));
    fs::write(&list, report(&["--allow", "-"], Month::new(5).log().as_bytes()).0).unwrap();
    fs::write(&config, "[[filter]]\ntype = \"allow\"\nlists = [\"allow.list\"]\n").unwrap();
    let run = |mode: &str| tool(&[mode, "--config", config.to_str().unwrap()], b"").0;
    let compiled = run("compile");
    let count = entries(&fs::read_to_string(&list).unwrap()).len();
    assert!(
        compiled.contains(&format!("allow.list.compiled is written: {count} entries")),
        "{compiled}"
    );
    assert!(!compiled.contains("warning"), "{compiled}");
    let checked = run("check");
    assert!(checked.contains(&format!("the list is read: {count} entries")), "{checked}");
}

#[test]
fn a_whole_domain_is_proposed_for_like_hosts_only() {
    // Names right below the domain, another one that is there, and what is proposed.
    for (names, other, wanted) in [
        (&["out1", "out2"][..], "", &["out1.firm.example", "out2.firm.example"][..]),
        (&["out1", "out2", "out33"], "", &[".firm.example"]),
        (
            &["out1", "out2", "a.b"],
            "",
            &["a.b.firm.example", "out1.firm.example", "out2.firm.example"],
        ),
        (&["x", "y", "zebra"], "", &["x.firm.example", "y.firm.example", "zebra.firm.example"]),
        (&["o1", "o2", "o3"], "dsl-7", &["o1.firm.example", "o2.firm.example", "o3.firm.example"]),
        (&["o1.mx", "o2.mx"], "dsl-7", &[".mx.firm.example"]),
    ] {
        let line = |micros: u64, n: usize, name: &str, from: &str| {
            format!(
                "v=1 sid={micros:x}.1 ip=[192.0.2.{n}] port=1 verdict=temp rule=s25r.r1 code=450 at=rcpt would=- helo=<{name}.firm.example> \
                 from=<{from}@firm.example> to=<b@our.example> reply=<x> ptr=<{name}.firm.example> fcrdns=pass dns=- tls=- auth=- t=0.1\n"
            )
        };
        let mut log = String::new();
        for round in 0..4 {
            for (n, name) in names.iter().enumerate() {
                let micros = (traffic::BEGINS + round * 3600 + n as u64 * 900) * 1_000_000;
                log.push_str(&line(micros, n, name, "a"));
            }
        }
        if !other.is_empty() {
            log.push_str(&line(traffic::BEGINS * 1_000_000, 99, other, "c"));
        }
        let (list, _) = report(&["--allow", "-"], log.as_bytes());
        let mut found = entries(&list);
        found.sort_unstable();
        assert_eq!(found, wanted, "{names:?} {other}");
    }
}

#[test]
fn the_page_stands_alone_and_has_the_figures_of_the_text() {
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let log = Month::new(4).log();
    let (text, _) = report(&["--html", page.to_str().unwrap(), "-"], log.as_bytes());
    let page = fs::read_to_string(page).unwrap();
    for other in ["http:", "https:", "//", "src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(other), "the page has {other}");
    }
    for line in text.lines().skip(2).take(10) {
        let name = line.trim().split("  ").next().unwrap();
        let value = line.trim().split_once("  ").unwrap().1.trim().split("  ").next().unwrap();
        assert!(page.contains(&format!("<dt>{name}</dt><dd><b>{value}</b>")), "{name} {value}");
    }
}
