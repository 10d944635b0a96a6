//! `replay`: what sessions have logged is what the same configuration makes of it again, and
//! another configuration makes of it what it would have made.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "replay/odd.rs"]
mod odd;

use std::fs;
use std::process::Command;

use common::dns::{Does, NameServer, a, ptr};
use common::tool::tool;
use common::{Folder, Script, Session};

/// Output and exit status.
fn replay(words: &[&str]) -> (String, i32) {
    tool(&[&["replay"], words].concat(), b"")
}

/// The number behind this.
#[track_caller]
fn count(told: &str, what: &str) -> u64 {
    let line = told.lines().find(|line| line.starts_with(what));
    let number = line.and_then(|line| line.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {what} in\n{told}"))
}

/// Unchanged, newly refused, newly passed, refused otherwise, not known.
#[track_caller]
fn counts(told: &str) -> [u64; 5] {
    ["unchanged", "newly refused", "newly passed", "refused otherwise", "not known"]
        .map(|what| count(told, what))
}

/// Clients, and what DNS says of them.
fn server() -> NameServer {
    NameServer::new()
        .host("203.0.113.1", "mail.example.org")
        .host("203.0.113.2", "p1234-ipbf205.tokyo.example.jp")
        .host("203.0.113.3", "vdsl5.good.example")
        .host("203.0.113.4", "mail.bad.example")
        .knows("5.113.0.203.in-addr.arpa", ptr(&["elsewhere.example"]))
        .knows("elsewhere.example", a(&["192.0.2.99"]))
        .knows("6.113.0.203.in-addr.arpa", Does::Code(2))
        // 203.0.113.7 has no name.
        .host("203.0.113.8", "mail.early.example")
}

const CLIENTS: [&str; 9] = [
    "203.0.113.1",
    "203.0.113.2",
    "203.0.113.3",
    "203.0.113.4",
    "203.0.113.5",
    "203.0.113.6",
    "203.0.113.7",
    "203.0.113.8",
    "2001:db8::9",
];

fn head(server: &NameServer) -> String {
    format!(
        "[session]\nhostname = \"mx.example\"\nproxy_from = [\"127.0.0.1\"]\n\
         [dns]\nservers = [\"{}\"]\ntime_limit = \"2s\"\n",
        server.address()
    )
}

fn config(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.file(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A session of each client with these recipients; gives the log.
fn sessions(config: &str, helo: &str, from: &str, to: &[&str], message: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for ip in CLIENTS {
        // The MTA has something to say too.
        let script = Script::polite().on("RCPT TO:<full@ours.example>", "452 4.2.2 mailbox full");
        let mut s = Session::with_options(script, &["--config", config]);
        let family = if ip.contains(':') { "TCP6 " } else { "TCP4 " };
        let own = if ip.contains(':') { "2001:db8::25" } else { "192.0.2.25" };
        s.client.sends(format!("PROXY {family}{ip} {own} 4711 25\r\n").as_bytes());
        s.client.reply();
        let mut accepted = false;
        for line in [format!("EHLO {helo}"), format!("MAIL FROM:<{from}>")] {
            s.client.tries(&line);
            s.client.reply();
        }
        for to in to {
            s.client.tries(&format!("RCPT TO:<{to}>"));
            accepted |= s.client.reply().first().is_some_and(|line| line.starts_with("250"));
        }
        if message && accepted {
            s.client.tries("DATA");
            s.client.reply();
            s.client.tries("Subject: x\r\n\r\nx\r\n.");
            s.client.reply();
        }
        s.client.tries("QUIT");
        s.client.rest();
        s.program.status();
        s.log.stops();
        lines.extend(s.log.lines());
    }
    lines
}

const S25R: &str = "[[filter]]\ntype = \"s25r\"\n";
const RELAY: &str = "[[filter]]\ntype = \"relay\"\ndomains = [\"ours.example\"]\n";

/// Configurations, each with what only it has.
fn configurations() -> Vec<(&'static str, String)> {
    let lists = "[[filter]]\ntype = \"allow\"\nlists = [\"allow.list\"]\n\
                 [[filter]]\ntype = \"deny\"\nlists = [\"deny.list\"]\n";
    vec![
        ("s25r", S25R.to_owned()),
        ("lists", format!("{lists}{S25R}{RELAY}")),
        ("fcrdns", format!("[[filter]]\ntype = \"fcrdns\"\non_hit = \"refuse\"\n{RELAY}")),
        (
            "dns must answer",
            "[[filter]]\ntype = \"fcrdns\"\non_error = \"tempfail\"\nexcept = [\".good.example\"]\n"
                .to_owned(),
        ),
        (
            "helo",
            "[[filter]]\ntype = \"helo\"\non_hit = \"450 4.7.1 you are {helo} at {ip} [{rule}]\"\n"
                .to_owned(),
        ),
        ("observe", format!("{S25R}observe = true\n{RELAY}")),
        (
            "program",
            "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/bin/sh\", \"-c\", \
             \"case $SW_FROM_IP in *.1|*9) echo no\\\\; for a reason;; esac\"]\non_hit = \"refuse\"\n"
                .to_owned() + S25R,
        ),
        (
            "broken program",
            "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/nonexistent\"]\n".to_owned(),
        ),
        (
            "contents filter",
            "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\n\
             run = [\"/bin/sh\", \"-c\", \"cat >/dev/null; echo no\"]\n"
                .to_owned() + S25R,
        ),
        (
            "tarpit",
            "[[filter]]\ntype = \"deny\"\nentries = [\"from:a@b.example\"]\nexcept = [\"to:c@ours.example\"]\n\
             on_hit = \"tarpit\"\ntarpit = \"10ms\"\n"
                .to_owned() + S25R + "on_hit = \"tarpit\"\ntarpit = \"10ms\"\nthen = \"pass\"\n",
        ),
        ("interval", "[[filter]]\ntype = \"interval\"\nleast = \"1h\"\n".to_owned()),
        ("nothing", String::new()),
    ]
}

fn lists(folder: &Folder) {
    let allow = "203.0.113.7\n.good.example OK\nfrom:friend@b.example\n";
    fs::write(folder.file("allow.list"), allow).unwrap();
    let deny = "/^mail\\.bad\\./ 450 4.7.1 not today\nto:full@ours.example\nhelo:evil.example REJECT\n\
                unknown@b.example DEFER\n";
    fs::write(folder.file("deny.list"), deny).unwrap();
}

#[test]
fn the_same_configuration_gives_what_was_logged() {
    let server = server();
    let speech = [
        ("client.example", "a@b.example", &["c@ours.example", "d@other.example"][..], true),
        ("evil.example", "", &["postmaster@ours.example", "full@ours.example"][..], false),
        ("203.0.113.1", "friend@b.example", &["\"x y\"@ours.example"][..], true),
    ];
    for profile in ["none", "original"] {
        for (name, filters) in configurations() {
            let folder = Folder::fresh();
            lists(&folder);
            let state = folder.file("state");
            fs::create_dir(&state).unwrap();
            let first = format!("profile = \"{profile}\"\nstate = {state:?}\n");
            let path = config(&folder, "c.toml", &(first + &head(&server) + &filters));
            let mut lines = Vec::new();
            for (helo, from, to, message) in speech {
                lines.extend(sessions(&path, helo, from, to, message));
            }
            let recipients = lines.iter().filter(|line| line.contains(" verdict=")).count() as u64;
            assert!(recipients > 20, "{name}: {lines:#?}");
            let log = folder.file("log");
            fs::write(&log, lines.join("\n") + "\n").unwrap();
            let asked = server.asked();
            let (told, status) = replay(&[log.to_str().unwrap(), "--config", &path]);
            assert_eq!(server.asked(), asked, "{name}: DNS was asked");
            let counted = counts(&told);
            // Whom the program refused reaches postmaster, and his line does not tell of it; it may
            // be that his name was not looked up then.
            let unknown = counted[4].min(u64::from(name == "program"));
            let expected = ([recipients - unknown, 0, 0, 0, unknown], 0);
            assert_eq!(
                (counted, status),
                expected,
                "{name} {profile}\n{told}\n{}",
                lines.join("\n")
            );
            let is_taken = told.contains("taken from the log");
            if ["program", "broken program", "contents filter", "interval"].contains(&name) {
                assert!(is_taken, "{name}\n{told}");
            }
            // What a filter says that has been asked again is not.
            assert!(!told.contains(" s25r:") && !told.contains(" deny:"), "{told}");
        }
    }
}

#[test]
fn another_configuration_gives_what_it_would_have_given() {
    let server = server();
    let folder = Folder::fresh();
    lists(&folder);
    let before = config(&folder, "before.toml", &(head(&server) + S25R));
    let log = folder.file("log");
    let lines = sessions(&before, "client.example", "a@b.example", &["c@ours.example"], true);
    fs::write(&log, lines.join("\n")).unwrap();
    let log = log.to_str().unwrap();
    let new = |name, filters: &str| config(&folder, name, &(head(&server) + filters));

    // Rules 1 and 0 refuse 203.0.113.2, .3, .5 and .7.
    let none = new("none.toml", "");
    let (told, status) = replay(&[log, "--config", &none]);
    assert_eq!((counts(&told), status), ([5, 0, 4, 0, 0], 1), "{told}");
    assert!(told.contains("  s25r.r1 450 -> mta 250"), "{told}");
    assert!(told.contains("203.0.113.2 p1234-ipbf205.tokyo.example.jp\n"), "{told}");
    assert!(told.contains("newly passed, by sender\n         4  <a@b.example>\n"), "{told}");

    let allow = "[[filter]]\ntype = \"allow\"\nentries = [\".good.example\"]\n";
    let allowed = new("allowed.toml", &(allow.to_owned() + S25R + "on_hit = \"refuse\"\n"));
    let (told, _) = replay(&[log, "--config", &allowed]);
    // Nobody has looked for the IPv6 client's name.
    assert_eq!(counts(&told), [4, 0, 1, 3, 1], "{told}");

    let denied = new("denied.toml", "[[filter]]\ntype = \"deny\"\nlists = [\"deny.list\"]\n");
    let (told, _) = replay(&[log, "--config", &denied]);
    assert_eq!(counts(&told), [3, 1, 4, 0, 1], "{told}");
    assert!(told.contains("mta 250 -> deny 450"), "{told}");

    let observes = new("observes.toml", &format!("{S25R}observe = true\n"));
    let (told, _) = replay(&[log, "--config", &observes]);
    assert_eq!(counts(&told), [5, 0, 4, 0, 0], "{told}");
    assert!(
        told.contains("only observe\n         2  s25r.r0 450\n         1  s25r.r1 450\n"),
        "{told}"
    );

    // The status is of what is asked for.
    for (what, status) in [("refused", 0), ("passed", 1), ("any", 1), ("none", 0)] {
        assert_eq!(replay(&[log, "--config", &none, "--fail-on", what]).1, status, "{what}");
    }
}

#[test]
fn host_names_that_were_not_looked_up_are_not_known_unless_dns_is_asked() {
    let server = server();
    let folder = Folder::fresh();
    let before = config(&folder, "before.toml", &(head(&server) + RELAY));
    let lines = sessions(&before, "client.example", "a@b.example", &["c@ours.example"], false);
    let log = folder.file("log");
    fs::write(&log, lines.join("\n")).unwrap();
    let new = config(&folder, "new.toml", &(head(&server) + S25R));
    let words = [log.to_str().unwrap(), "--config", &new];
    let asked = server.asked();
    let (told, status) = replay(&words);
    // The rules are not for the IPv6 client.
    assert_eq!((counts(&told), status), ([1, 0, 0, 0, 8], 0), "{told}");
    assert_eq!(server.asked(), asked);
    let (told, status) = replay(&[&words[..], &["--live-dns"]].concat());
    // Of one the name server cannot tell.
    assert_eq!((counts(&told), status), ([4, 4, 0, 0, 1], 1), "{told}");
    assert!(server.asked() > asked && told.contains("that no name server tells now: 1"), "{told}");
    // A name server that is dead is asked once for each client.
    let dead =
        config(&folder, "dead.toml", &("[dns]\nservers = [\"127.0.0.1:1\"]\n".to_owned() + S25R));
    fs::write(&log, [&lines[..], &lines[..]].concat().join("\n")).unwrap();
    let words = [log.to_str().unwrap(), "--config", &dead, "--live-dns"];
    let (told, status) = replay(&words);
    assert_eq!((counts(&told), status), ([2, 0, 0, 0, 16], 0), "{told}");
    assert!(told.contains("that no name server tells now: 16"), "{told}");
}

/// A line as a session writes it.
fn line(rule: &str, more: &str) -> String {
    let code = if rule == "mta" { "250" } else { "450" };
    format!(
        "v=1 sid=1.2 ip=[203.0.113.1] port=9 verdict=x rule={rule} code={code} at=rcpt would=- helo=<c.example> \
         from=<a@b.example> to=<c@d.example> reply=<x> ptr=<p1-2.example.org> {more} tls=- auth=- t=0.1\n"
    )
}

#[test]
fn logs_are_read_as_they_lie_there() {
    let folder = Folder::fresh();
    let known = "fcrdns=pass dns=2/1ms";
    let text = [
        "Nov  1 00:00:00 mx postfix/smtpd[1]: connect from x\n",
        &line("mta", known).replace("at=rcpt", "at=message"),
        "v=1 sid=1.2 ip=[203.0.113.1] port=9 session=end end=s25r.r1 mta=none why=<> helo=<> messages=0 octets=0 \
         refused=1 rule=s25r.r1 ptr=- fcrdns=- dns=- tls=- auth=- t=0.1\n",
        &line("s25r.r1", known)[..100],
        "\n\0\u{1}\n",
        // Several names, of which the log has one.
        &line("mta", "fcrdns=pass dns=3/1ms"),
        &line("mta", known).replace("c@d.example", &format!("{}...", "x".repeat(256))),
    ]
    .concat();
    let plain = config(&folder, "log", &text);
    let usual = |log: &str| replay(&[log, "--config", "usual"]);
    let (told, status) = usual(&plain);
    assert_eq!((counts(&told), status), ([0, 1, 0, 0, 2], 1), "{told}");
    for said in [
        "several host names",
        "only the beginning",
        "not whole, not replayed: 1",
        "named a recipient, not replayed: 1",
    ] {
        assert!(told.contains(said), "no {said:?} in\n{told}");
    }
    // Compressed, and from standard input.
    let gzip = Command::new("gzip").args(["-k", &plain]).status();
    assert!(gzip.unwrap().success());
    let gz = format!("{plain}.gz");
    assert_eq!(usual(&gz).0, told);
    let packed = fs::read(&gz).unwrap();
    assert_eq!(tool(&["replay", "-", "--config", "usual"], &packed).0, told);

    for (words, why) in [
        (&[][..], "which log?"),
        (&["/nonexistent"][..], "/nonexistent: No such file"),
        (&["/etc/hostname"][..], "none is about a recipient"),
        (&[&*plain, "--fail-on", "x"][..], "must be refused or passed"),
        (&[&*plain, "--config", "/nonexistent"][..], "there is no such file"),
    ] {
        let (told, status) = replay(words);
        assert!(told.contains(why) && status == 78, "{words:?}: {status} {told}");
    }
    // Other styles have not the facts, and what another program logs is no line of ours.
    let sound = line("mta", known).replace("at=rcpt", "at=message");
    let forged = format!("Nov  1 00:00:00 mx postfix/smtpd[1]: warning: {sound}");
    let reject = "Nov  1 00:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: \
                  450 4.7.1 no; from=<a@b.c> to=<d@e.f> proto=ESMTP helo=<g>\n";
    let refused = "Nov  1 00:00:00 mx smtp_wrapper[9]: 450 4.7.1 rule 1 (rejected by ip_filter. IP=203.0.113.8)(SW02)\n";
    let others = config(&folder, "others", &[&forged, reject, refused].concat());
    let (told, status) = usual(&others);
    assert!(told.contains("2 lines about a recipient, all in a style") && status == 78, "{told}");
    let one = config(&folder, "one", &sound);
    let (told, _) = replay(&[&one, &others, "--config", "usual"]);
    assert_eq!(counts(&told), [0, 1, 0, 0, 0], "{told}");
    assert!(told.contains("whose style has not the facts, not replayed: 2"), "{told}");

    // Cut in the middle.
    fs::write(&gz, &packed[..packed.len() / 2]).unwrap();
    let (told, status) = usual(&gz);
    assert!(told.contains("to its end") && status == 78, "{told}");
}

#[test]
fn what_a_program_would_have_done_it_does() {
    let folder = Folder::fresh();
    let known = "fcrdns=pass dns=2/1ms";
    let would = |line: String| line.replace("would=-", "would=450:program.refused");
    let passed = would(line("mta", known)).replace("at=rcpt", "at=message");
    let log = config(&folder, "log", &(passed + &would(line("s25r.r1", known))));
    let program = "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"/nonexistent\"]\n";
    for (observe, expected) in [("", [0, 1, 0, 1, 0]), ("observe = true\n", [1, 0, 1, 0, 0])] {
        let path = config(&folder, "c.toml", &(program.to_owned() + observe));
        let (told, _) = replay(&[&log, "--config", &path]);
        assert_eq!(counts(&told), expected, "{told}");
        let says = match observe {
            "" => "    program: 2".to_owned(),
            _ => "only observe\n         2  program.refused 450".to_owned(),
        };
        let plain = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(&says.split_whitespace().collect::<Vec<_>>().join(" ")), "{told}");
    }
}
