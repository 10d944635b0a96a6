//! `report`: a month of traffic with known servers and bots, every kind of log, hostile logs, bounded memory.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};

use common::Folder;
use common::traffic::{Host, Month};

/// Output and exit status of `report` over this log.
fn report(words: &[&str], log: &[u8]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    command.arg("report").args(words).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let log = log.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&log)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it is written");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.code().expect("a status"))
}

/// The figure behind this name.
fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    let rest = line.unwrap_or_else(|| panic!("no {name} in {text}")).trim_start();
    let digits = rest.strip_prefix(name).unwrap().trim_start();
    let digits = digits.split("  ").next().unwrap().replace(' ', "");
    digits.parse().unwrap_or_else(|_| panic!("{rest}"))
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
        let found = |host: &&Host| entries.iter().any(|entry| lets_in(entry, host));
        for bot in &month.bots {
            assert!(
                !found(&bot),
                "{seed}: {bot:?} is let in: {:?}",
                entries.iter().find(|e| lets_in(e, bot))
            );
        }
        let missing: Vec<_> = month.servers.iter().filter(|host| !found(host)).collect();
        let (all, missed) = (month.servers.len(), missing.len());
        println!("seed {seed}: {} of {all} servers by {} entries", all - missed, entries.len());
        assert!(missed * 20 <= all, "{seed}: {missed} of {all} are missing: {missing:#?}");
    }
}
