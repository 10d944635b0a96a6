//! The programs in `filters/`, run as a session runs them, under the system's sh and, where it is
//! another, dash.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Folder, Script, Session};

fn filter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filters").join(name)
}

/// Lists, and a program that answers for DNS: `192.0.2.N` has the name in the file `names/192.0.2.N`,
/// no name without the file, and no answer if the file is empty.
struct Place(Folder);

impl Place {
    fn new(lists: &[(&str, &str)]) -> Place {
        let folder = Folder::fresh();
        fs::create_dir(folder.file("names")).unwrap();
        for (name, text) in lists {
            fs::write(folder.file(name), text).unwrap();
        }
        let resolve = "#!/bin/sh\nf=$(dirname \"$0\")/names/$1\n[ -e \"$f\" ] || exit 1\n[ -s \"$f\" ] || exit 2\ncat \"$f\"\n";
        fs::write(folder.file("resolve"), resolve).unwrap();
        fs::set_permissions(folder.file("resolve"), fs::Permissions::from_mode(0o755)).unwrap();
        Place(folder)
    }

    fn name(&self, ip: &str, name: &str) {
        fs::write(self.0.file("names").join(ip), name).unwrap();
    }

    fn run(&self, name: &str, arguments: &[PathBuf], ip: &str, input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(filter(name))
            .args(arguments)
            .env("SW_FROM_IP", ip)
            .env("SW_LISTS", self.0.file(""))
            .env("SW_RESOLVE", self.0.file("resolve"))
            .env("SW_STARPIT_TIME", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name} complains");
        output.stdout
    }

    fn judge(&self, ip: &str) -> String {
        String::from_utf8(self.run("s25r.sh", &[], ip, b"")).unwrap().trim_end().to_owned()
    }
}

#[test]
fn s25r_knows_names_that_look_like_dial_up_lines() {
    let place = Place::new(&[]);
    for (name, verdict) in [
        ("mail.example.org", ""),
        ("mx1.example.org", ""),
        ("mail-1.example.co.jp", ""),
        ("220-139-165-188.dynamic.example.net", "rule 1"),
        ("PL068.nas926.example.ne.jp", "rule 5"),
        ("evrtwa1-ar3-4-65-157-048.evrtwa1.example.net", "rule 1"),
        ("YahooBB220030220074.example.net", "rule 2"),
        ("398pkj.example.ne.jp", "rule 3"),
        ("m226.net81-66-158.example.fr", "rule 4"),
        ("c9531ecc.virtua.example.com.br", ""),
        ("1.2.example.co.jp", "rule 3"),
        ("d5.GtokyoFL27.vectant.example.jp", "rule 5"),
        ("dhcp0339.vpm.example.edu", "rule 6"),
        ("adsl-ull-235-8.example.it", "rule 1"),
        ("ppp5.example.org", "rule 6"),
        ("host5x6.example.org", "rule 1"),
    ] {
        place.name("192.0.2.5", name);
        let expected = match verdict {
            "" => String::new(),
            rule => format!("{rule}: {}", name.to_lowercase()),
        };
        assert_eq!(place.judge("192.0.2.5"), expected, "{name}");
    }
}

#[test]
fn s25r_and_its_lists() {
    let place = Place::new(&[
        ("black_ip_db", "# a comment\n\n^198\\.51\\.100\\.\n"),
        ("white_ip_db", "^203\\.0\\.113\\.7$  # a friend\n"),
        ("black_hostname_db", "\\.spam\\.example$\n"),
        ("white_hostname_db", "\\.good\\.example$\n"),
    ]);
    place.name("192.0.2.1", "mail.spam.example");
    place.name("192.0.2.2", "1-2-3-4.GOOD.example");
    place.name("192.0.2.3", "1-2-3-4.other.example");
    place.name("192.0.2.4", ""); // DNS does not answer
    place.name("192.0.2.6", "evil\u{1b}[2J$(id);`id`.example\nsecond.example");
    for (ip, verdict) in [
        ("198.51.100.3", "black address: 198.51.100.3"),
        ("203.0.113.7", ""),
        ("203.0.113.70", "no name: 203.0.113.70"),
        ("192.0.2.1", "black name: mail.spam.example"),
        ("192.0.2.2", ""),
        ("192.0.2.3", "rule 1: 1-2-3-4.other.example"),
        ("192.0.2.4", ""),
        ("192.0.2.5", "no name: 192.0.2.5"),
        ("192.0.2.6", ""),
    ] {
        assert_eq!(place.judge(ip), verdict, "{ip}");
    }
}

#[test]
fn starpit_waits_where_s25r_refuses_by_a_rule() {
    let place = Place::new(&[("black_hostname_db", "^bad")]);
    place.name("192.0.2.1", "1-2-3-4.other.example");
    place.name("192.0.2.2", "bad.example");
    let began = std::time::Instant::now();
    assert_eq!(place.run("starpit.sh", &[], "192.0.2.1", b""), b"");
    assert!(began.elapsed().as_secs_f64() > 0.9);
    assert_eq!(place.run("starpit.sh", &[], "192.0.2.2", b""), b"black name: bad.example\n");
}

const COMMANDS: &str = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@example.org>\r\n";

fn input(message: &[u8]) -> Vec<u8> {
    [COMMANDS.as_bytes(), b"DATA\r\n", message].concat()
}

fn messages() -> Vec<Vec<u8>> {
    let odd = b"Subject: x\r\n\r\n..dot\r\n\xe9\x00\x01 \\ %s\r\nDATA\r\n \r\n.\r\n".to_vec();
    let large =
        [b"Subject: y\r\n\r\n".to_vec(), b"0123456789\r\n".repeat(100_000), b".\r\n".to_vec()];
    vec![b".\r\n".to_vec(), b"\r\n.\r\n".to_vec(), odd, large.concat()]
}

#[test]
fn what_passes_passes_as_it_is() {
    let place = Place::new(&[("relay_allow_address_db", "@example\\.org>")]);
    let [null, relay] = ["null.sh", "relay-check.sh"].map(filter);
    for message in messages() {
        let answer = [b"DATA\r\n".as_slice(), &message].concat();
        for (name, arguments) in [
            ("null.sh", vec![]),
            ("relay-check.sh", vec![]),
            ("combined.sh", vec![null.clone(), relay.clone()]),
            ("combined.sh", vec![]),
        ] {
            let got = place.run(name, &arguments, "192.0.2.1", &input(&message));
            assert!(got == answer, "{name}: {}", got.escape_ascii());
        }
    }
}

#[test]
fn relay_check_refuses_recipients_elsewhere() {
    let place = Place::new(&[
        ("relay_allow_address_db", "# ours\n@example\\.org>\n"),
        ("relay_allow_host_db", "^192\\.0\\.2\\.9$\n"),
    ]);
    let to =
        |address: &str| format!("{COMMANDS}RCPT TO:<{address}>\r\nDATA\r\nx\r\n.\r\n").into_bytes();
    let run =
        |name: &str, more: &[PathBuf], ip, address: &str| place.run(name, more, ip, &to(address));
    for address in ["d@other.example", "d@example.org.other.example", "d@badexample.com"] {
        let said = format!("no relay: RCPT TO:<{address}>\n");
        assert_eq!(run("relay-check.sh", &[], "192.0.2.1", address), said.as_bytes());
        let chain = [filter("relay-check.sh"), filter("null.sh")];
        assert_eq!(run("combined.sh", &chain, "192.0.2.1", address), said.as_bytes());
        let chain = [filter("null.sh"), filter("relay-check.sh")];
        assert_eq!(run("combined.sh", &chain, "192.0.2.1", address), said.as_bytes());
        assert_eq!(run("relay-check.sh", &[], "192.0.2.9", address), b"DATA\r\nx\r\n.\r\n");
    }
    for address in ["D@EXAMPLE.ORG", "postmaster", "Postmaster", "d+x_y.z@example.org"] {
        assert_eq!(run("relay-check.sh", &[], "192.0.2.1", address), b"DATA\r\nx\r\n.\r\n");
    }
    // Ways to have the expression match where the MTA reads something else.
    for line in [
        "<x@other.example> ORCPT=rfc822;a@example.org>",
        "<x@other.example> X=@example.org>",
        "<\"a@example.org>\"@other.example>",
        "<\"x@other.example\"@example.org>",
        "<x%other.example@example.org>",
        "<other.example!x@example.org>",
        "<@other.example:a@example.org>",
        "<x@other.example,a@example.org>",
        "<x@other.example@example.org>",
        "<x\\@other.example@example.org>",
        "<@example.org>",
        "<>",
        "<user>",
    ] {
        let input = format!("{COMMANDS}RCPT TO:{line}\r\nDATA\r\nx\r\n.\r\n").into_bytes();
        let said = format!("no relay: RCPT TO:{line}\n");
        let got = place.run("relay-check.sh", &[], "192.0.2.1", &input);
        assert_eq!(String::from_utf8_lossy(&got), said);
    }
    // One bad expression is not an empty list.
    for list in ["relay_allow_address_db", "relay_allow_host_db"] {
        let place = Place::new(&[(list, "@example\\.org>\n[bad(\n")]);
        let said = place.run("relay-check.sh", &[], "192.0.2.1", &to("d@example.org"));
        assert!(said.starts_with(b"broken list: "), "{}", said.escape_ascii());
    }
    // Without lists nobody may relay.
    let place = Place::new(&[]);
    let said = place.run("relay-check.sh", &[], "192.0.2.1", &to("d@example.org"));
    assert!(said.starts_with(b"no relay: RCPT TO:<c@example.org>"));
}

#[test]
fn tag_subject_rewrites() {
    let place = Place::new(&[]);
    for (message, answer) in [
        (
            "Subject: x\r\n\r\nSubject: y\r\n.\r\n",
            "Subject: [outside] x\r\n\r\nSubject: y\r\n.\r\n",
        ),
        ("A: b\r\nSUBJECT:x\r\n c\r\n\r\n.\r\n", "A: b\r\nSubject: [outside] x\r\n c\r\n\r\n.\r\n"),
        ("Subject: [outside] x\r\n\r\n.\r\n", "Subject: [outside] x\r\n\r\n.\r\n"),
        ("\r\nno header\r\n.\r\n", "\r\nno header\r\n.\r\n"),
        (".\r\n", ".\r\n"),
    ] {
        let got = place.run("tag-subject.py", &[], "192.0.2.1", &input(message.as_bytes()));
        assert_eq!(got, format!("DATA\r\n{answer}").as_bytes());
    }
    // A command that ends as the line DATA does is none.
    let odd = b"EHLO xDATA\r\nMAIL FROM:<a@b>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n";
    let got = place.run("tag-subject.py", &[], "192.0.2.1", odd);
    assert_eq!(got, b"DATA\r\nSubject: [outside] x\r\n\r\n.\r\n");
}

#[test]
fn broken_lists_and_missing_rules_do_not_pass_everybody() {
    for list in ["black_ip_db", "white_ip_db", "black_hostname_db", "white_hostname_db"] {
        let place = Place::new(&[(list, "^192\\.0\\.2\\.1$\n[bad(\n")]);
        place.name("192.0.2.1", "mail.example.org");
        for name in ["s25r.sh", "starpit.sh"] {
            let said = place.run(name, &[], "192.0.2.1", b"");
            let expected = format!("broken list: {}/{list}\n", place.0.file("").display());
            let said = String::from_utf8_lossy(&said).replace("//", "/");
            assert_eq!(said, expected.replace("//", "/"), "{name}");
        }
    }
    let folder = Folder::fresh();
    for name in ["s25r.sh", "starpit.sh"] {
        fs::copy(filter(name), folder.file(name)).unwrap();
        let said = Command::new(folder.file(name)).env("SW_FROM_IP", "192.0.2.1").output().unwrap();
        assert!(said.stdout.starts_with(b"broken: "), "{name}: {said:?}");
    }
}

#[test]
fn the_scripts_are_posix_sh() {
    for name in
        ["s25r.sh", "s25r-rules.sh", "starpit.sh", "null.sh", "relay-check.sh", "combined.sh"]
    {
        for shell in ["/bin/sh", "/bin/dash"] {
            if Path::new(shell).exists() {
                let checked = Command::new(shell).arg("-n").arg(filter(name)).status().unwrap();
                assert!(checked.success(), "{shell} -n {name}");
            }
        }
    }
}

#[test]
fn they_work_in_a_session() {
    let folder = Folder::fresh();
    let config = folder.file("c.toml");
    let programs: String = ["relay-check.sh", "null.sh", "tag-subject.py"]
        .iter()
        .map(|name| {
            let path = filter(name);
            format!("[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\nrun = [{path:?}]\n")
        })
        .collect();
    fs::write(&config, programs).unwrap();
    fs::write(folder.file("relay_allow_address_db"), "@mta\\.test>\n").unwrap();
    for (to, reply) in [("b@mta.test", "250 2.0.0 queued"), ("b@other.test", "450 4.7.1 Refused…")]
    {
        let (ours, theirs) = common::connection();
        let mut command = common::Program::command(&folder.file(""));
        command.env("SW_LISTS", folder.file("")).env("PATH", std::env::var_os("PATH").unwrap());
        let options = ["--config", config.to_str().unwrap()];
        let mut s = Session::on(ours, theirs, Script::polite(), Folder::fresh(), command, &options);
        s.greets();
        s.plays(&format!(
            "C: MAIL FROM:<a@b>\nS: 250…\nC: RCPT TO:<{to}>\nS: 250…\nC: DATA\nS: 354…"
        ));
        s.plays("C: Subject: x\nC:\nC: y\nC: .");
        s.client.gets(reply);
        s.quits();
        if reply.starts_with("250") {
            s.mta_has_message(b"Subject: [outside] x\r\n\r\ny\r\n");
        } else {
            s.mta_has_no_message();
        }
    }
}

/// The original's S25R set-up as filters of ours: the same lists, the same verdicts.
const SET_UP: &str = r#"
[[filter]]
type = "deny"
lists = ["black_ip_db"]
syntax = "egrep"
match = "address"

[[filter]]
type = "allow"
lists = ["white_ip_db"]
syntax = "egrep"
match = "address"

[[filter]]
type = "deny"
lists = ["black_hostname_db"]
syntax = "egrep"
match = "host"

[[filter]]
type = "allow"
lists = ["white_hostname_db"]
syntax = "egrep"
match = "host"

[[filter]]
type = "s25r"
rules = "original"
"#;

#[test]
fn the_original_s_lists_give_the_same_verdicts_inside_the_program() {
    let lists = [
        ("black_ip_db", "# bad networks\n^192\\.0\\.2\\.6[0-9]$\n"),
        ("white_ip_db", "^192\\.0\\.2\\.7\n^192\\.0\\.2\\.61$ # black all the same\n"),
        ("black_hostname_db", "\\.bad\\.example$\n^pool\n"),
        ("white_hostname_db", "^(mail|smtp)[0-9]*\\.\n\\.GOOD\\.example\n"),
    ];
    let place = Place::new(&lists);
    let config = place.0.file("c.toml");
    fs::write(&config, SET_UP).unwrap();
    let readme = include_str!("../README.md");
    assert!(readme.contains(SET_UP.trim()), "README shows another set-up");
    let compiled =
        Command::new(env!("CARGO_BIN_EXE_smtp-wrapper")).arg("compile").arg(&config).output();
    assert!(compiled.unwrap().status.success());
    let names = [
        "",
        "mail.example.org",
        "mail12345.example.org",
        "host.bad.example",
        "mail.bad.example",
        "pool-1-2-3-4.example.net",
        "a1-2-3.good.example",
        "p1234-ipbf205.tokyo.example.jp",
        "host12345.example.net",
        "12.34.56.dyn.example.net",
        "a1.b2-3.example",
        "a1.b2.c.example.net",
        "adsl5.example.net",
        "vdsl5.example.net",
        "ppp7.example.net",
        "dhcp-a.example.net",
        "1.example",
        "a1b2",
        "unknown",
        "smtp.example.net",
        "MAIL.example.org",
        "192-0-2-7.example.com",
    ];
    let (mut passed, mut refused) = (0, 0);
    for ip in ["192.0.2.1", "192.0.2.7", "192.0.2.61", "192.0.2.70"] {
        for name in names {
            let _ = fs::remove_file(place.0.file("names").join(ip));
            if !name.is_empty() {
                place.name(ip, name);
            }
            let said = place.run("s25r.sh", &[], ip, b"");
            let explained = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"))
                .args(["explain", ip, "--ptr", if name.is_empty() { "none" } else { name }])
                .arg("--config")
                .arg(&config)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&explained.stdout).into_owned();
            let passes = explained.status.code() == Some(0);
            let said = String::from_utf8_lossy(&said).into_owned();
            assert_eq!(passes, said.is_empty(), "{ip} {name}: {said:?}\n{text}");
            // The rule is the same one.
            if let Some(rule) = said.strip_prefix("rule ").and_then(|said| said.get(..1)) {
                assert!(text.contains(&format!("s25r.r{rule} ")), "{said}\n{text}");
            }
            *(if passes { &mut passed } else { &mut refused }) += 1;
        }
    }
    assert!(passed > 20 && refused > 20, "{passed} passed, {refused} refused");
}
