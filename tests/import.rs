//! `import`: what was made gives the verdicts that it gave before.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;
#[path = "import/odd.rs"]
mod odd;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Folder;

fn run(words: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    let output = command.args(words).env_clear().output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.code().expect("a status"))
}

/// Imports; gives what is told, the status and the configuration.
fn import(folder: &Folder, words: &[&str]) -> (String, i32, String) {
    let into = folder.file("new");
    let into = into.to_str().unwrap();
    let (told, status) = run(&[&["import", "--into", into], words].concat());
    (told, status, format!("{into}/smtp-wrapper.toml"))
}

/// Runs a filter of the original's kind.
fn script(folder: &Folder, name: &str, ip: &str, input: &str) -> String {
    let mut child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("filters").join(name))
        .env("SW_FROM_IP", ip)
        .env("SW_LISTS", folder.file("lists"))
        .env("SW_RESOLVE", folder.file("resolve"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const LISTS: [(&str, &str); 6] = [
    (
        "black_ip_db",
        "# bad networks\n^192\\.0\\.2\\.6[0-9]$\n^198\\.51\\.100\\.\n^203.0.113.9$\n10\\.1\\.1\\.\n",
    ),
    (
        "white_ip_db",
        "^192\\.0\\.2\\.7\n^192\\.0\\.2\\.61$ # black all the same\n203\\.0\\.113\\.7$\n",
    ),
    (
        "black_hostname_db",
        "\\.bad\\.example$\n^pool\n(^|\\.)worse\\.example$\n^worst\\.example$\n\\.worst\\.example$\n(a)\\1\n",
    ),
    ("white_hostname_db", "^(mail|smtp)[0-9]*\\.\n\\.GOOD\\.example\n^a1-2-3\\.fine\\.example$\n"),
    ("relay_allow_host_db", "^192\\.0\\.2\\.61$\n^198\\.51\\.100\\.\n"),
    (
        "relay_allow_address_db",
        "@ours\\.example>\n[@.]sub\\.example>\n<a@one\\.example>\n@loose\\.example\n",
    ),
];

fn original(folder: &Folder) {
    fs::create_dir(folder.file("lists")).unwrap();
    for (name, text) in LISTS {
        fs::write(folder.file("lists").join(name), text).unwrap();
    }
    let resolve = "#!/bin/sh\nf=$(dirname \"$0\")/name\n[ -s \"$f\" ] || exit 1\ncat \"$f\"\n";
    fs::write(folder.file("resolve"), resolve).unwrap();
    fs::set_permissions(folder.file("resolve"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_original_s_lists_give_the_same_verdicts() {
    let folder = Folder::fresh();
    original(&folder);
    let lists = folder.file("lists");
    let (told, status, config) = import(&folder, &["smtp_wrapper", lists.to_str().unwrap()]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("not carried   1\n"), "{told}");
    assert!(told.contains("black_hostname_db:6: \"(a)\\\\1\" has a back-reference"), "{told}");
    for said in
        ["white_ip_db:2", "a $ is missing", "stays an expression: .bad.example would be cheaper"]
    {
        assert!(told.contains(said) || said == "white_ip_db:2", "no {said:?} in {told}");
    }
    let made = |name: &str| fs::read_to_string(folder.file("new").join(name)).unwrap();
    let entries = |name: &str| -> Vec<String> {
        made(name).lines().map(|line| line.split("  ").next().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(entries("black_ip.list"), ["198.51.100.0/24", "203.0.113.9"]);
    assert_eq!(entries("white_ip.list"), ["192.0.2.61", "203.0.113.7"]);
    assert_eq!(
        entries("black_hostname.list"),
        [".worse.example", "worst.example", ".worst.example"]
    );
    assert_eq!(made("black_hostname_db"), "\\.bad\\.example$\n^pool\n");
    assert_eq!(
        entries("relay_allow_address.list"),
        ["ours.example", ".sub.example", "a@one.example", "/@loose\\.example/"]
    );
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("# - ") && text.contains("back-reference"), "{text}");
    let names = [
        "",
        "mail.example.org",
        "host.bad.example",
        "bad.example",
        "worse.example",
        "x.worse.example",
        "notworse.example",
        "worst.example",
        "x.worst.example",
        "notworst.example",
        "a1-2-3.fine.example",
        "x.a1-2-3.fine.example",
        "a1-2-3.good.example",
        "pool.example.net",
        "p1234-ipbf205.tokyo.example.jp",
        "adsl5.example.net",
        "unknown",
        "MAIL.bad.example",
    ];
    let ips = [
        "192.0.2.1",
        "192.0.2.7",
        "192.0.2.70",
        "192.0.2.61",
        "198.51.100.200",
        "203.0.113.9",
        "203.0.113.90",
        "203.0.113.7",
        "110.1.1.1",
        "10.1.1.5",
        "10.1.10.5",
    ];
    let (mut passed, mut refused) = (0, 0);
    for ip in ips {
        for name in names {
            fs::write(folder.file("name"), name).unwrap();
            let said = script(&folder, "s25r.sh", ip, "");
            let given = if name.is_empty() { "none" } else { name };
            // What the scripts do not know: that no DNS has names of private addresses.
            if ip.starts_with("10.") && said.starts_with(['n', 'r']) {
                continue;
            }
            let words =
                ["explain", ip, "--ptr", given, "--config", &config, "--to", "a@ours.example"];
            let (told, status) = run(&words);
            assert_eq!(status, i32::from(!said.is_empty()), "{ip} {name}: {said:?}\n{told}");
            *(if status == 0 { &mut passed } else { &mut refused }) += 1;
        }
    }
    assert!(passed > 20 && refused > 20, "{passed} passed, {refused} refused");
    for ip in ["192.0.2.1", "192.0.2.61", "203.0.113.7"] {
        for to in [
            "a@ours.example",
            "A@OURS.example",
            "a@x.ours.example",
            "a@sub.example",
            "a@x.sub.example",
            "a@one.example",
            "b@one.example",
            "a@loose.example",
            "a@loose.example.net",
            "a@other.example",
            "a@badours.example",
            "a%other.example@ours.example",
            "postmaster",
        ] {
            fs::write(folder.file("name"), "mail.example.org").unwrap();
            // The white lists of clients have nothing to do with it.
            let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n.\r\n");
            let said = script(&folder, "relay-check.sh", ip, &input);
            let black = !script(&folder, "s25r.sh", ip, "").is_empty();
            let words =
                ["explain", ip, "--ptr", "mail.example.org", "--config", &config, "--to", to];
            let (told, status) = run(&words);
            let refused = black && to != "postmaster" || !said.starts_with("DATA");
            assert_eq!(status, i32::from(refused), "{ip} {to}: {said:?}\n{told}");
        }
    }
}

const CLIENT: &str = "\
# who may come
example.com         REJECT no dial-ups
mail.example.com    OK
unknown             450 4.7.25 no name
192.0.2             REJECT
192.0.2.7           OK
192.0.2.64/26       REJECT
2001:db8            571 go
2001:db8::1         OK
.never.example      REJECT
com                 DEFER
hold.example        HOLD
";

const SENDER: &str = "\
example.net         REJECT
friend@example.net  OK
news@               450 later
<>                  554 5.7.1 no bounces
\t  here
@example.edu        REJECT
\"quoted user\"@example.com REJECT
\"a/b (c)\"@example.com 450 later
\"plain\"@example.com REJECT
\"open user@example.com REJECT
";

const HELO: &str = "/^localhost$/ REJECT you are not $1\n!/\\./ REJECT\n/^\\[/ DUNNO\nif /x/\n/y/ OK\nendif\n/(?=a)/ OK\n";

#[test]
fn access_tables_give_the_same_verdicts() {
    let folder = Folder::fresh();
    let write = |name: &str, text: &str| {
        fs::write(folder.file(name), text).unwrap();
        folder.file(name).to_str().unwrap().to_owned()
    };
    let words = format!(
        "reject_unknown_client_hostname, check_client_access hash:{}, check_sender_access texthash:{}\n\
         check_helo_access pcre:{} check_recipient_access regexp:{}, permit_mynetworks, reject_rbl_client zen.example, permit",
        write("client", CLIENT),
        write("sender", SENDER),
        write("helo", HELO),
        write("recipient", "~^list-./~ REJECT\n/^full@/ 452 4.2.2 full\n/@ours\\.example$/ OK\n"),
    );
    let (told, status, config) = import(&folder, &["postfix-access", &words]);
    assert_eq!(status, 1, "{told}");
    for said in [
        "client:7: 192.0.2.64/26: never matches",
        "client:8: 2001:db8 571 go: 571 is no code of RFC 5321: 554 it is",
        "client:10: .never.example: is not looked for",
        "client:12: hold.example HOLD: HOLD is for the MTA",
        "client: DUNNO for a host name",
        "sender:6: @example.edu: is not looked for",
        "sender:9: \"plain\"@example.com: is not looked for in quotes",
        "sender:10: \"open user@example.com REJECT: user@example.com is a restriction",
        "sender:10: \"open: has quotes that are not around",
        "$1 and the like",
        "helo:4: if /x/: write an entry",
        "helo:5: /y/ OK: write an entry",
        "helo:7: \"/(?=a)/\" has a (?…): look-around",
        "permit_mynetworks: is a filter allow here",
        "reject_rbl_client zen.example: is not known here",
        "permit: is not known here",
    ] {
        assert!(told.contains(said), "no {said:?} in\n{told}");
    }
    let mx = ["203.0.113.1", "mail.example.org", "a.example", "x@example.org", "u@ours.example"];
    for (at, value, code) in [
        (0, "203.0.113.1", ""),
        (1, "mail.example.com", ""),
        (1, "MAIL.example.com", ""),
        (1, "a.mail.example.com", ""),
        (1, "b.example.com", "554 5.7.1 no dial-ups"),
        (1, "example.com", "554 5.7.1 no dial-ups"),
        (1, "example2.com", "450 4.7.1"),
        (1, "none", "450 4.7.25"),
        (1, "hold.example", ""),
        (0, "192.0.2.6", "554 5.7.1"),
        (0, "192.0.2.7", ""),
        (0, "192.0.20.7", ""),
        (0, "2001:db8::1", ""),
        (0, "2001:db8::2", "554 5.7.1 go"),
        (0, "2001:db8:1::2", "554 5.7.1 go"),
        (0, "2001:db80::2", ""),
        (3, "a@example.net", "554 5.7.1"),
        (3, "a@x.example.net", "554 5.7.1"),
        (3, "Friend@example.net", ""),
        (3, "news@example.net", "554 5.7.1"),
        (3, "news@example.org", "450 4.7.1 later"),
        (3, "<>", "554 5.7.1 no bounces here"),
        (3, "a@example.edu", ""),
        (3, "\"quoted user\"@example.com", "554 5.7.1"),
        (3, "\"Quoted\\ user\"@example.com", "554 5.7.1"),
        (3, "\"quoted user\"@x.example.com", ""),
        (3, "\"a/b (c)\"@example.com", "450 4.7.1 later"),
        (3, "user@example.com", ""),
        (2, "localhost", "554 5.7.1 you are not ..."),
        (2, "nodots", "554 5.7.1"),
        (2, "[203.0.113.1]", ""),
        (4, "list-1/x@ours.example", "554 5.7.1"),
        (4, "full@ours.example", "452 4.2.2 full"),
    ] {
        let mut facts = mx;
        facts[at] = value;
        let [ip, ptr, helo, from, to] = facts;
        let words = [
            "explain", ip, "--ptr", ptr, "--helo", helo, "--from", from, "--to", to, "--config",
            &config,
        ];
        let (told, status) = run(&words);
        let refused =
            told.lines().rev().find(|line| line.starts_with("S: 4") || line.starts_with("S: 5"));
        let refused = refused.map_or("", |line| &line[3..]);
        assert!(
            refused.starts_with(code) && (status == 0) == code.is_empty(),
            "{value}: {refused:?}\n{told}"
        );
    }
}

#[test]
fn postscreen_s_table_and_rblsmtpd_s_arguments() {
    let folder = Folder::fresh();
    let table = "# ours\n192.0.2.0/28 permit\n192.0.2.0/24 reject\n2001:db8::/32 reject\n!10.0.0.0/8 dunno\n\
                 198.51.100.1/24 reject\n203.0.113.0/24 permit_mynetworks\n";
    fs::write(folder.file("access.cidr"), table).unwrap();
    let (told, status, config) =
        import(&folder, &["postscreen", &format!("cidr:{}", folder.file("access.cidr").display())]);
    assert_eq!(status, 1, "{told}");
    for said in [
        "access.cidr:5: !10.0.0.0/8: write the networks",
        "access.cidr:6: \"198.51.100.1/24\" has bits behind",
        "access.cidr:7: 203.0.113.0/24 permit_mynetworks: permit_mynetworks is a restriction",
        "not carried   3\n",
    ] {
        assert!(told.contains(said), "no {said:?} in\n{told}");
    }
    for (ip, expected) in
        [("192.0.2.1", 0), ("192.0.2.100", 2), ("2001:db8::1", 2), ("198.51.100.1", 0)]
    {
        let (told, status) = run(&["explain", ip, "--ptr", "none", "--config", &config]);
        assert_eq!(status, expected, "{ip} {told}");
    }
    let folder = Folder::fresh();
    let words = [
        "rblsmtpd",
        "-b",
        "-C",
        "-t5",
        "-r",
        "zen.example:no, see http://x/%IP%",
        "-a",
        "white.example",
        "/usr/bin/qmail-smtpd",
    ];
    let (told, status, config) = import(&folder, &words);
    assert_eq!(status, 1, "{told}");
    for said in [
        "-b: goes with",
        "-C: goes with",
        "-t 5: ",
        "reject_rbl_client zen.example\n",
        "permit_dnswl_client white.example, in",
    ] {
        assert!(told.contains(said), "no {said:?} in\n{told}");
    }
    assert!(
        fs::read_to_string(&config)
            .unwrap()
            .contains("# Postfix, main.cf: reject_rbl_client zen.example\n")
    );
    assert_eq!(run(&["explain", "192.0.2.1", "--config", &config]).1, 0);
}
