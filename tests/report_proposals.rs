//! `report`: who is proposed for a list, and who is not: known servers and bots, pools, customers, refusals of each rule.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "report/run.rs"]
mod run;
#[path = "report/traffic.rs"]
mod traffic;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use common::Folder;
use run::{entries, report};
use traffic::{Host, Month};

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
        assert!(networks == 0 && domains > 10, "{entries:#?}");
    }
}

#[test]
fn what_is_proposed_is_a_list() {
    let folder = Folder::fresh();
    let (list, config) = (folder.file("allow.list"), folder.file("c.toml"));
    fs::write(&list, report(&["--allow", "-"], Month::new(5).log().as_bytes()).0).unwrap();
    fs::write(&config, "[[filter]]\ntype = \"allow\"\nlists = [\"allow.list\"]\n").unwrap();
    let run = |mode: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
        let output = command.args([mode, "--config"]).arg(&config).output().expect("it runs");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    };
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

/// A message that each of these hosts (name, HELO name, sender) tries some times, with a rule.
fn tried(hosts: &[(&str, &str, &str)], rule: &str, gap: u64) -> String {
    let mut log = String::new();
    for round in 0..4 {
        for (n, (name, helo, from)) in hosts.iter().enumerate() {
            let micros = (traffic::BEGINS + round * gap + n as u64 * 300) * 1_000_000;
            let ptr = match *name {
                "" => "ptr=- fcrdns=fail".to_owned(),
                name => format!("ptr=<{name}> fcrdns=pass"),
            };
            log.push_str(&format!(
                "v=1 sid={micros:x}.1 ip=[192.0.2.{n}] port=1 verdict=temp rule={rule} code=450 at=rcpt would=- helo=<{helo}> \
                 from=<{from}> to=<b@our.example> reply=<x> {ptr} dns=- tls=- auth=- t=0.1\n"
            ));
        }
    }
    log
}

#[test]
fn a_domain_is_proposed_for_a_pool_that_is_nobody_elses_only() {
    // Names below a domain, and whether it is proposed instead of them.
    for (names, domain, other, whole) in [
        (&["out1", "out2", "out3"][..], "firm.example", "", false),
        (&["out1", "out2", "out3", "out44"], "firm.example", "", true),
        (&["o1-1", "o1-2", "o1-3", "o1-4"], "mx.firm.example", "", true),
        (&["out1", "out2", "out3", "a.b"], "firm.example", "", false),
        (&["out1", "out2", "mx1", "mx2"], "firm.example", "", false),
        (&["w", "x", "y", "zebra"], "firm.example", "", false),
        (&["o1", "o2", "o3", "o4"], "firm.example", "dsl-7", false),
        (&["o1", "o2", "o3", "o4"], "firm.example", "dsl-7.net", false),
        (&["vmi123451", "vmi123452", "vmi123453", "vmi123454"], "firm.example", "", false),
        (&["o1", "o2", "o3", "o4"], "firmcloud.example", "", false),
        (&["o1", "o2", "o3", "o4"], "westeurope.cloudapp.azure.com", "", false),
        (&["li1", "li2", "li3", "li4"], "members.linode.com", "", false),
        (&["a1", "a2", "a3", "a4"], "duckdns.org", "", false),
        (&["a1", "a2", "a3", "a4"], "chiyoda.tokyo.jp", "", false),
        (&["a1", "a2", "a3", "a4"], "uk.com", "", false),
    ] {
        let names: Vec<_> = names.iter().map(|name| format!("{name}.{domain}")).collect();
        let from = format!("a@{domain}");
        let hosts: Vec<_> = names.iter().map(|name| (&**name, &**name, &*from)).collect();
        let mut log = tried(&hosts, "s25r.r1", 3600);
        if !other.is_empty() {
            let other = format!("{other}.{domain}");
            let line = tried(&[(&other, &other, "c@d.example")], "s25r.r1", 1);
            log.push_str(&line.lines().next().unwrap().replace("[192.0.2.0]", "[192.0.2.99]"));
            log.push('\n');
        }
        let (list, _) = report(&["--allow", "-"], log.as_bytes());
        let mut found: Vec<_> = entries(&list).into_iter().map(str::to_owned).collect();
        found.sort_unstable();
        if whole {
            assert_eq!(found, [format!(".{domain}")]);
            assert!(!list.contains("# high") && list.contains("everybody with a name below it"));
        } else {
            let mut names = names.clone();
            names.sort_unstable();
            assert_eq!(found, names, "{list}");
        }
        // Whose HELO names are another's is no pool.
        let hosts: Vec<_> =
            names.iter().map(|name| (&**name, "mx.other.example", &*from)).collect();
        let (list, _) = report(&["--allow", "-"], tried(&hosts, "s25r.r1", 3600).as_bytes());
        assert!(!list.contains("\n."), "{list}");
    }
}

#[test]
fn hosts_without_a_name_are_addresses_of_low_confidence() {
    let host = ("", "mx.firm.example", "a@firm.example");
    let (list, _) = report(&["--allow", "-"], tried(&[host, host], "s25r.r0", 3600).as_bytes());
    assert_eq!(entries(&list), ["192.0.2.0", "192.0.2.1"]);
    assert_eq!(list.matches("# low").count(), 2, "{list}");
}

#[test]
fn only_refusals_that_live_from_coming_back_are_lifted() {
    let host = [("mx1.firm.example", "mx1.firm.example", "a@firm.example")];
    let proposed = |log: &str| entries(&report(&["--allow", "-"], log.as_bytes()).0).len();
    for rule in ["s25r.r1", "s25r.own", "fcrdns.no-ptr", "greylist"] {
        assert_eq!(proposed(&tried(&host, rule, 3600)), 1, "{rule}");
    }
    let others =
        ["deny", "early.talker", "helo.bad", "relay", "interval.too-fast", "program.refused"];
    for rule in others.iter().chain(&["mta", "filter.broken", "postfix", "s25rx"]) {
        assert_eq!(proposed(&tried(&host, rule, 3600)), 0, "{rule}");
    }
    let log = tried(&host, "s25r.r1", 3600);
    for rule in ["deny", "relay", "early.talker"] {
        let line = tried(&host, rule, 1).replace("verdict=temp", "verdict=perm");
        let line = format!("{}\n", line.lines().next().unwrap());
        assert_eq!(proposed(&(log.clone() + &line)), 0, "{rule}");
        assert_eq!(proposed(&(line + &log)), 0, "{rule}");
    }
}

#[test]
fn who_comes_back_after_a_queues_life_does_not_come_back() {
    let host = [("mx1.firm.example", "mx1.firm.example", "a@firm.example")];
    for (days, proposed) in [(1, 1), (4, 1), (6, 0), (8, 0)] {
        let log = tried(&host, "s25r.r1", days * 86_400);
        let (list, _) = report(&["--allow", "-"], log.as_bytes());
        assert_eq!(entries(&list).len(), proposed, "{days}: {list}");
    }
}
