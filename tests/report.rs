//! `report`: a month of traffic with known servers and bots, every kind of log, hostile logs, bounded memory.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "report/traffic.rs"]
mod traffic;

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use common::Folder;
use traffic::{Dice, Host, Month};

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

/// The report without the line that counts lines.
fn without_counts(text: &str) -> String {
    let told = |line: &&str| !line.contains(" of them known (");
    text.lines().filter(told).collect::<Vec<_>>().join("\n")
}

/// The first lines that differ.
fn difference(text: &str, other: &str) -> String {
    let mut pairs = text.lines().zip(other.lines());
    format!("{:?}", pairs.find(|(one, other)| one != other))
}

/// A month as lines of another kind, each from its time and the native line.
fn written(month: &Month, line: impl Fn(u64, &str) -> Vec<u8>) -> Vec<u8> {
    month.lines.iter().flat_map(|(time, native)| line(*time, native)).collect()
}

#[test]
fn each_kind_of_log_tells_the_same() {
    let month = Month::new(2);
    let plain = without_counts(&report(&["-"], month.log().as_bytes()).0);
    let syslog =
        |_: u64, line: &str| format!("Mar  3 01:02:03 mx smtp-wrapper[77]: {line}\n").into_bytes();
    let export = |time: u64, line: &str| {
        let head = format!(
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={time}\nSYSLOG_IDENTIFIER=smtp-wrapper\n_PID=7\n"
        );
        // The long form of a field is for any octets.
        let length = u64::try_from(line.len()).unwrap().to_le_bytes();
        [head.as_bytes(), b"MESSAGE\n", &length, line.as_bytes(), b"\nPRIORITY=6\n\n"].concat()
    };
    let journal = |time: u64, line: &str| {
        let line = line.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{{\"__REALTIME_TIMESTAMP\":\"{time}\",\"_X\":[1,{{\"a\":\"}}\"}}],\"MESSAGE\":\"{line}\",\"SYSLOG_IDENTIFIER\":\"smtp-wrapper\",\"_PID\":\"7\"}}\n").into_bytes()
    };
    let json = |_: u64, line: &str| format!("{}\n", as_json(line)).into_bytes();
    let logs = [
        ("syslog", written(&month, syslog)),
        ("export", written(&month, export)),
        ("journal", written(&month, journal)),
        ("json", written(&month, json)),
    ];
    for (kind, log) in logs {
        let (text, status) = report(&["-"], &log);
        assert_eq!(status, 0, "{kind}");
        assert!(without_counts(&text) == plain, "{kind}: {}", difference(&text, &plain));
    }
}

/// A native line in the json style.
fn as_json(line: &str) -> String {
    let value = |key: &str, value: &str| match value {
        "-" => "null".to_owned(),
        _ if matches!(key, "v" | "code" | "port" | "messages" | "octets" | "refused" | "t") => {
            value.trim_start_matches('0').to_owned()
        }
        _ => {
            let inside = value.strip_prefix('<').and_then(|value| value.strip_suffix('>'));
            format!("\"{}\"", inside.unwrap_or(value).replace("\\x", "\\u00"))
        }
    };
    let fields = line.split(' ').filter_map(|field| field.split_once('='));
    let members: Vec<_> = fields.map(|(key, of)| format!("\"{key}\":{}", value(key, of))).collect();
    format!("{{{}}}", members.join(",")).replace(":.", ":0.").replace(":,", ":0,")
}

#[test]
fn files_may_be_compressed_and_in_any_order() {
    let month = Month::new(6);
    let log = month.log();
    let folder = Folder::fresh();
    let half = log[..log.len() / 2].rfind('\n').unwrap() + 1;
    let (old, new) = (folder.file("mail.log.1.gz"), folder.file("mail.log"));
    // Two members, as of two rotations put together.
    let mut packed = Vec::new();
    for part in [&log.as_bytes()[..half / 2], &log.as_bytes()[half / 2..half]] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(part).unwrap();
        packed.extend(gzip.finish().unwrap());
    }
    fs::write(&old, &packed).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(&new, &log[half..]).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let whole = report(&["-"], log.as_bytes());
    let (text, status) = report(&[new, old], b"");
    assert!((&text, status) == (&whole.0, whole.1), "{}", difference(&text, &whole.0));
    // One that is cut is told, and what is there is counted.
    fs::write(old, &packed[..packed.len() - 100]).unwrap();
    let (text, status) = report(&[new, old], b"");
    assert_eq!(status, 1);
    assert!(text.contains("mail.log.1.gz: read only in part"), "{text}");
    assert!(figure(&text, "recipients") > figure(&whole.0, "recipients") / 2);
    let (text, status) = report(&[new, "/nonexistent.log"], b"");
    assert!(status == 78 && text.contains("/nonexistent.log"), "{text}");
    let (text, status) = report(&[], b"");
    assert!(status == 78 && text.contains("which log?"), "{text}");
    let (text, status) = report(&["-"], b"Mar  1 00:00:00 mx sshd[1]: hello\n");
    assert!(status == 1 && text.contains("no line is known"), "{text}");
}

#[test]
fn lines_of_postfix_and_of_the_original_are_known() {
    let mut log = String::from(
        "2026-03-01T10:00:00+01:00 mx postfix/smtpd[5]: connect from mail.peer.example[192.0.2.9]\n\
         2026-03-01T10:00:01.5+01:00 mx postfix/smtpd[5]: NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued; from=<a@peer.example> to=<b@our.example> proto=ESMTP helo=<mail.peer.example>\n\
         2026-03-01T10:00:02+01:00 mx postfix/smtpd[5]: disconnect from mail.peer.example[192.0.2.9] ehlo=1 mail=1 rcpt=1/3 data=1 quit=1 commands=5/7\n\
         2026-03-01T10:00:03+01:00 mx postfix/smtpd[6]: NOQUEUE: reject: RCPT from unknown[192.0.2.77]: 554 5.7.1 <b@our.example>: Refused by local policy [deny]; from=<x@y.example> to=<b@our.example> proto=ESMTP helo=<x>\n",
    );
    for minute in [0, 5, 15, 35, 59] {
        for (hour, id) in [(10, 1), (15, 2)] {
            log.push_str(&format!(
                "Mar  1 {hour}:{minute:02}:07 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from mx1a2.queue.example[198.51.100.7]: \
                 450 4.7.1 <b@our.example>: S25R check, be patient [r1]; from=<c{id}@queue.example> to=<b@our.example> proto=ESMTP helo=<mx.queue.example>\n"
            ));
        }
    }
    for hour in [1, 2, 4, 8] {
        log.push_str(&format!(
            "Mar  2 {hour:02}:00:00 mx smtp_wrapper[9]: 450 4.7.1 rule 1 (rejected by ip_filter. IP=203.0.113.8)(SW02)\n"
        ));
    }
    // Ours in these styles.
    log.push_str(
        "Mar  3 01:00:00 mx postfix/smtpd[8]: connect from unknown[192.0.2.8]\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: NOQUEUE: client=mx.friend.example[192.0.2.8]\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 stored; from=<> to=<a@our.example> proto=ESMTP helo=<mx.friend.example>\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: proxy-reject: END-OF-MESSAGE: 554 5.7.1 no; from=<> to=<b@our.example> proto=ESMTP helo=<mx.friend.example>\n\
         Mar  3 01:00:00 mx postfix/smtpd[8]: disconnect from mx.friend.example[192.0.2.8] messages=1 octets=32 refused=0 end=quit rule=- t=0.004\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: accepted. IP=192.0.2.8: 250 2.0.0 stored rule=mta ptr=<mx.friend.example> helo=<mx.friend.example> from=<> to=<a@our.example>\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: rejected by ip_filter. IP=192.0.2.9: 450 4.7.1 S25R check, be patient [r2] rule=s25r.r2 ptr=<x12345.friend.example> helo=<x> from=<a@x.example> to=<b@our.example>\n\
         Mar  3 01:00:00 mx smtp_wrapper[9]: end. IP=192.0.2.8: quit mta=ok why=<> messages=1 refused=0 rule=- ptr=<mx.friend.example> helo=<> t=0.001\n\
         Mar  3 01:00:00 mx smtp-wrapper[9]: v=1 sid=- ip=[192.0.2.5] port=1 session=end end=quit mta=away why=<> helo=<> messages=0 octets=0 refused=1 rule=fcrdns.none code=450 at=connect reply=<x> ptr=- fcrdns=fail dns=- tls=- auth=- t=0.1\n",
    );
    let (text, status) = report(&["-"], log.as_bytes());
    assert_eq!(status, 0);
    assert!(text.contains("(native 1, postfix 16, original 7)"), "{text}");
    for (name, count) in [
        ("accepted ", 3),
        ("refused for now", 15),
        ("refused for good", 2),
        ("sessions", 4),
        ("messages", 3),
    ] {
        assert_eq!(figure(&text, name), count, "{name} in {text}");
    }
    assert!(
        text.contains("1 session was refused before") && text.contains("fcrdns.none"),
        "{text}"
    );
    assert!(text.contains("\nmx1a2.queue.example\n"), "{text}");
    assert!(
        text.contains("s25r.r1") && text.contains("s25r.ip-filter") && text.contains("deny"),
        "{text}"
    );
}

#[test]
fn nobody_writes_a_line_of_ours_in_anothers_log() {
    let forged = "v=1 sid=64c0000000000.1 ip=[192.0.2.1] port=1 verdict=temp rule=s25r.r1 code=450 at=rcpt would=- helo=<h.example> from=<a@b.c> to=<d@e.f> reply=<x> ptr=- fcrdns=fail dns=- tls=- auth=- t=0.1";
    for before in [
        "Mar  1 00:00:00 mx postfix/smtpd[1]: improper command pipelining after DATA from unknown[192.0.2.9]: ",
        "Mar  1 00:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 <",
        "Mar  1 00:00:00 mx other[1]: ",
        "192.0.2.9 - - [01/Mar/2026:00:00:00 +0000] \"GET /",
        "Mar  1 00:00:00 mx other[1]: smtp-wrapper[2]: ",
    ] {
        let (text, _) = report(&["-"], format!("{before}{forged}\n").as_bytes());
        assert!(text.contains("1 line read, 0 of them known"), "{before}: {text}");
    }
    for before in ["Invalid user ", "user ", "Mar  1 00:00:00 mx ", "mx smtp-wrapper[2]: "] {
        let (text, _) = report(&["-"], format!("{before}{forged}\n").as_bytes());
        assert!(text.contains("1 line read, 0 of them known"), "{before}: {text}");
    }
    // Others' styles.
    let reject = "reject: RCPT from mx1.victim.example[198.51.100.10]: 450 4.7.1 x [r1]; from=<a@b.c> to=<d@e.f> proto=ESMTP helo=<h>";
    let refused = "rejected by ip_filter. IP=198.51.100.10: 450 4.7.1 x";
    for other in [
        format!("Mar  1 00:00:00 mx sshd[100]: Invalid user smtp_wrapper: {refused}"),
        format!("Mar  1 00:00:00 mx apache: GET /smtp_wrapper: {refused}"),
        format!("Invalid user smtp_wrapper: {refused}"),
        format!("Mar  1 00:00:00 mx sshd: smtp_wrapper[5]: {refused}"),
        format!(
            "Mar  1 00:00:00 mx postfix/smtpd[100]: improper command pipelining after DATA from unknown[203.0.113.9]: {reject}"
        ),
        format!("Mar  1 00:00:00 mx postfix/smtpd[100]: warning: {reject}"),
        format!(
            "Mar  1 00:00:00 mx dovecot: imap-login: Disconnected: user=<x/smtpd[1]: NOQUEUE: {reject}"
        ),
        format!("Mar  1 00:00:00 mx dovecot: x/smtpd[1]: NOQUEUE: {reject}"),
    ] {
        let (text, _) = report(&["-"], format!("{other}\n").as_bytes());
        assert!(text.contains("1 line read, 0 of them known"), "{other}: {text}");
    }
    for good in [
        format!("Mar  1 00:00:00 mx postfix/smtpd[100]: 4F2A91C0D3: {reject}"),
        format!("Mar  1 00:00:00 mx postfix/smtpd[100]: NOQUEUE: {reject}"),
        format!("Mar  1 00:00:00 mx smtp_wrapper[100]: {refused}(SW02)"),
    ] {
        let (text, _) = report(&["-"], format!("{good}\n").as_bytes());
        assert!(text.contains("1 line read, 1 of them known"), "{good}: {text}");
    }
    for before in [
        "",
        "2026-03-01T00:00:00Z ",
        "<22>smtp-wrapper[2]: ",
        "Mar  1 00:00:00 mx smtp-wrapper[2]: ",
    ] {
        let (text, _) = report(&["-"], format!("{before}{forged}\n").as_bytes());
        assert!(text.contains("1 line read, 1 of them known"), "{before}: {text}");
    }
}

#[test]
fn hostile_logs_are_no_trouble_and_what_is_shown_is_printable() {
    let month = Month::new(8);
    let log = month.log();
    let log = &log.as_bytes()[..400_000];
    let mut dice = Dice::new(77);
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let page = page.to_str().unwrap();
    let head = b"v=1 sid=64c0000000000.1 ip=[192.0.2.1] port=1 verdict=";
    let mut logs: Vec<Vec<u8>> = (0..6)
        .map(|_| {
            let mut log = log.to_vec();
            for _ in 0..20_000 {
                let at = usize::try_from(dice.between(0, log.len() as u64)).unwrap();
                log[at] = dice.number().to_le_bytes()[0];
            }
            log
        })
        .collect();
    logs.push((0..300_000).map(|_| dice.number().to_le_bytes()[0]).collect());
    logs.push([head.as_slice(), &vec![b'x'; 300_000], b"\n", log].concat());
    logs.push([&head[..], b"temp rule=\x1b[31m<script>alert(1)</script> from=<\x07'\"><img/src=x> to=<> t=99999999999999999999\n"].concat());
    logs.push(
        [&head[..], b"temp rule= = =x sid= t= ptr=< messages=99999999999999999999\n\n=\n \n"]
            .concat(),
    );
    logs.push(b"v=1 sid=ffffffffffffff.1 ip=[::ffff:1.2.3.4] verdict=temp t=1\nv=1 sid=\nv=1 sid=- \n{\"v\":1,\n{\"v\":1,\"a\":[[[\n{\"MESSAGE\":\"\\u\n".to_vec());
    logs.push(b"__CURSOR=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec());
    logs.push(b"__CURSOR=1\nMESSAGE\n\x02\0".to_vec());
    logs.push(b"\x1f\x8b\x08\0garbage".to_vec());
    logs.push(b"\x1f".to_vec());
    for log in logs {
        let (text, status) = report(&["--html", page, "-"], &log);
        assert!(matches!(status, 0 | 1), "{status}: {text}");
        assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{text:?}");
        let page = fs::read_to_string(page).unwrap();
        assert!(
            !page.contains("<script") && !page.contains("<img") && !page.contains('\x1b'),
            "{page}"
        );
    }
}

#[test]
fn much_in_a_small_file_is_no_trouble() {
    // 40 MB of a line that is too long, and a million empty ones.
    let folder = Folder::fresh();
    let bomb = folder.file("bomb.gz");
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(&bomb).unwrap(),
        flate2::Compression::best(),
    );
    let block = vec![b'x'; 1 << 20];
    (0..40).for_each(|_| gzip.write_all(&block).unwrap());
    let block = vec![b'\n'; 1 << 20];
    (0..1).for_each(|_| gzip.write_all(&block).unwrap());
    gzip.finish().unwrap();
    let (text, _) = report(&[bomb.to_str().unwrap()], b"");
    assert!(text.contains("1 line was too long and passed over"), "{text}");
    assert!(text.contains("1 048 576 lines read"), "{text}");
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

#[test]
fn what_cannot_be_written_is_told() {
    let log = Month::new(4).log();
    let folder = Folder::fresh();
    let file = folder.file("mail.log");
    fs::write(&file, &log[..50_000]).unwrap();
    let run = |words: &[&str], out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
        let output = command.arg("report").args(words).arg(&file).stdout(out).output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
    };
    for words in [&[][..], &["--allow"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let (text, status) = run(words, full.into());
        assert!(status == 78 && text.contains("standard output: "), "{status} {text}");
    }
    let page = folder.file("page.html");
    // Somebody's file is not written through a link to it.
    let (victim, link) = (folder.file("victim"), folder.file("link.html"));
    fs::write(&victim, "own").unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let (text, status) = run(&["--html", link.to_str().unwrap()], Stdio::null());
    assert!(status == 78 && text.contains("symbolic link"), "{status} {text}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "own");
    for _ in 0..2 {
        let (text, status) = run(&["--html", page.to_str().unwrap()], Stdio::null());
        assert_eq!((&*text, status), ("", 0));
    }
    let names = fs::read_dir(folder.file("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_str().unwrap().starts_with("page.html.")));
    let (text, status) =
        run(&["--html", folder.file("no/page.html").to_str().unwrap()], Stdio::null());
    assert!(status == 78 && text.contains("page.html"), "{text}");
    let (_, status) = run(&["--html", "/dev/null"], Stdio::null());
    assert_eq!(status, 0);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn days_without_lines_and_times_to_come_are_told() {
    let log = Month::new(3).log();
    let log = &log[..log[..100_000].rfind('\n').unwrap() + 1];
    let (text, status) = report(&["--until", "2020-01-01", "-"], log.as_bytes());
    assert!(status == 1 && text.contains("no line is of these days"), "{text}");
    let (text, status) = report(&["--since=2026-03-03", "--until=2026-03-02", "-"], log.as_bytes());
    assert!(status == 78 && text.contains("--since is later than --until"), "{text}");
    let first = log.lines().next().unwrap();
    let sid = first.split(' ').nth(1).unwrap();
    // 2099.
    let late = first.replace(sid, "sid=e78ab5a9c4000.1");
    let (text, status) = report(&["-"], format!("{log}{late}\n").as_bytes());
    assert!(status == 0 && text.contains("1 line was of a time that has not come yet"), "{text}");
    let counted =
        |text: &str| text.lines().find(|line| line.contains("2026-03-01 to ")).unwrap().to_owned();
    assert_eq!(counted(&text), counted(&report(&["-"], log.as_bytes()).0));
    assert!(!text.contains("2099"), "{text}");
}

#[test]
fn what_postfix_does_not_log_is_told() {
    let line = "Mar  1 10:00:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from mx1a2.queue.example[198.51.100.7]: \
                450 4.7.1 <b@our.example>: Recipient address rejected: Greylisted; from=<c@queue.example> to=<b@our.example> proto=ESMTP helo=<mx.queue.example>\n";
    let (text, _) = report(&["-"], line.as_bytes());
    assert!(
        text.contains("nobody is known as accepted") && text.contains("\n  greylist "),
        "{text}"
    );
    // A client chooses whom it writes to, not the rule.
    let (text, _) = report(
        &["-"],
        line.replace("Greylisted", "no").replace("b@our", "greylist@our").as_bytes(),
    );
    assert!(!text.contains("\n  greylist "), "{text}");
    // In another style without the program before.
    let (text, status) = report(&["-"], line.split_once("]: ").unwrap().1.as_bytes());
    assert!(status == 1 && text.contains("known only with the program before them"), "{text}");
}

#[test]
fn the_charts_names_have_room_and_their_year() {
    let folder = Folder::fresh();
    let page = folder.file("page.html");
    let day = |day: u64| {
        let micros = (traffic::BEGINS - day * 86_400) * 1_000_000;
        format!(
            "v=1 sid={micros:x}.1 ip=[192.0.2.1] port=1 verdict=pass rule=mta code=250 at=message would=- t=0.1\n"
        )
    };
    for (days, name) in [(8, ">03-01<"), (400, ">2026-02-21<")] {
        let log: String = (0..days).map(day).collect();
        report(&["--html", page.to_str().unwrap(), "-"], log.as_bytes());
        let page = fs::read_to_string(&page).unwrap();
        assert!(page.contains(name), "{days}");
        for text in page.split("<text class=\"x\" x=\"").skip(1) {
            let at: f64 = text.split('"').next().unwrap().parse().unwrap();
            let name = text.split(['>', '<']).nth(1).unwrap();
            assert!(at + 5.5 * name.len() as f64 <= 720.0, "{at} {name}");
        }
    }
}
