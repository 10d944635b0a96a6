//! The styles of the log, by real sessions with hostile names, addresses, filters and MTAs: one line is one line, its
//! values are those octets, and none of them passes for something else.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use common::dns::{Does, Entry, NameServer, a};
use common::{
    Act, Client, Folder, Mta, Program, Script, Session, Syslog, Transcript, connection, lines,
};
use smtp_wrapper::log::fields::{Fields, decode, from_outside};

const STYLES: [&str; 4] = ["native", "json", "postfix", "original"];
const LOOKALIKE: &str = "x\" postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <a>: Service \
                         unavailable; from=<f> to=<t> rejected by ip_filter. IP=192.0.2.9: {\"ip\":\"192.0.2.9\"";

/// What a hostile session tries: each is told by somebody else.
struct Hostile {
    helo: String,
    from: String,
    /// What the program says, and the MTA.
    program: String,
    mta: String,
    /// The client's host name, as octets of labels.
    name: Vec<u8>,
}

fn hostile() -> Hostile {
    Hostile {
        helo: format!("{LOOKALIKE} \u{e9}<>\\x20"),
        from: format!("\"{}\"@client.example", LOOKALIKE.replace('"', "'").replace(['<', '>'], "")),
        program: format!("450 4.7.1 \x1b[2J{LOOKALIKE}\rsession=end"),
        mta: format!("550 5.1.1 \u{85}{LOOKALIKE}]: y: client=z"),
        name: b"x]: y: client=z reject: RCPT <a>\xff\r\nb".to_vec(),
    }
}

fn program(folder: &Folder, says: &str) -> PathBuf {
    let path = folder.file("filter");
    let text = format!("#!/bin/sh\ncat <<'END'\n{says}\nEND\n");
    fs::write(&path, text).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    path
}

/// The lines of a hostile session: a recipient that the MTA refuses, one that a filter refuses, and the session.
fn played(style: &str) -> Vec<String> {
    let (folder, hostile) = (Folder::fresh(), hostile());
    let label = |octets: &[u8]| [&[octets.len() as u8], octets, &[0]].concat();
    let name = Entry(String::new(), 12, label(&hostile.name));
    let reverse = "1.0.0.127.in-addr.arpa";
    let server = NameServer::new().knows(reverse, Does::Records(vec![name]));
    let server =
        server.knows(&String::from_utf8_lossy(&hostile.name).to_lowercase(), a(&["127.0.0.1"]));
    let config = folder.file("config.toml");
    let run = program(&folder, &hostile.program);
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[log]\nstyle = \"{style}\"\n[[filter]]\ntype = \"s25r\"\nlocal = true\nobserve = true\n\
         [[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"{}\"]\nexcept = [\"to:b@mta.test\"]\n",
        server.address(),
        run.display(),
    );
    fs::write(&config, text).expect("a configuration");
    let options = ["--config", config.to_str().expect("a path")];
    let transcript = Transcript::new();
    let mta = Script::polite().on("RCPT", Act::Say(lines(&hostile.mta)));
    let (mta, log) = (Mta::follows(mta, &transcript), Syslog::at(folder.file("log")));
    let (ours, theirs) = connection();
    let mut command = Program::command(&folder.file(""));
    command.args(common::upstream_and_log(&mta, &log)).args(options).stderr(Stdio::null());
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.reply();
    for said in [
        format!("EHLO {}", hostile.helo),
        format!("MAIL FROM:<{}>", hostile.from),
        "RCPT TO:<b@mta.test>".to_owned(),
        "RCPT TO:<c@mta.test>".to_owned(),
        "QUIT".to_owned(),
    ] {
        client.says(&said);
        client.reply();
    }
    client.is_closed();
    assert_eq!(program.status(), Some(0), "{transcript}");
    log.stops();
    log.lines()
}

/// What stands behind the ident.
fn behind<'a>(line: &'a str, ident: &str) -> &'a str {
    let rest = line.split_once('>').expect("a level").1.strip_prefix(ident).expect(ident);
    let (pid, text) = rest.strip_prefix('[').expect("a process").split_once("]: ").expect("a line");
    assert!(pid.bytes().all(|b| b.is_ascii_digit()), "{line}");
    text
}

#[track_caller]
fn are_printable(lines: &[String], count: usize) {
    assert_eq!(lines.len(), count, "{lines:#?}");
    for line in lines {
        assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        assert!(line.len() < 2048, "{line:?}");
    }
}

/// The octets of a value, up to where it was cut.
fn is_cut_of(read: &[u8], said: &[u8]) -> bool {
    read == said || read.strip_suffix(b"...").is_some_and(|read| said.starts_with(read))
}

#[test]
fn native_lines_hold_the_true_octets() {
    let (log, hostile) = (played("native"), hostile());
    are_printable(&log, 3);
    for line in &log {
        let fields = Fields::of(behind(line, "smtp-wrapper").as_bytes()).expect("a line of ours");
        let mut read = Vec::new();
        decode(fields.get(b"helo").and_then(from_outside).expect("a name"), &mut read);
        assert!(is_cut_of(&read, hostile.helo.as_bytes()), "{}", read.escape_ascii());
        if fields.get(b"verdict").is_some() {
            read.clear();
            decode(fields.get(b"from").and_then(from_outside).expect("a sender"), &mut read);
            assert!(is_cut_of(&read, hostile.from.as_bytes()), "{}", read.escape_ascii());
        }
        let keys: Vec<_> = fields.clone().map(|(key, _)| key.to_vec()).collect();
        let mut once = keys.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), keys.len(), "a key twice: {line}");
        assert_eq!(fields.get(b"ip"), Some(&b"[127.0.0.1]"[..]));
        assert!(fields.get(b"ptr").and_then(from_outside).is_some(), "{line}");
    }
}

/// The strings of a JSON object of ours by their keys; everything in it must be a key and a string, number or null.
fn json(text: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let mut rest =
        text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("an object");
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (key, after) = string(rest);
        let after = after.strip_prefix(':').expect("a colon");
        let (value, after) = match after.starts_with('"') {
            true => {
                let (value, after) = string(after);
                (Some(value), after)
            }
            false => {
                let end = after.find(',').unwrap_or(after.len());
                let word = &after[..end];
                assert!(word == "null" || word.parse::<f64>().is_ok(), "{word}");
                (None, &after[end..])
            }
        };
        found.push((String::from_utf8(key).expect("a key"), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    found
}

/// A JSON string at the beginning, each character an octet; and what follows.
fn string(text: &str) -> (Vec<u8>, &str) {
    let (mut octets, mut rest) = (Vec::new(), text.strip_prefix('"').expect("a string"));
    loop {
        let (octet, after) = rest.split_at(1);
        rest = after;
        match octet {
            "\"" => return (octets, rest),
            "\\" if rest.starts_with('u') => {
                octets.push(u8::from_str_radix(&rest[1..5], 16).expect("an octet"));
                rest = &rest[5..];
            }
            "\\" => {
                assert!(rest.starts_with(['"', '\\']), "{rest}");
                octets.push(rest.as_bytes()[0]);
                rest = &rest[1..];
            }
            plain => octets.push(plain.as_bytes()[0]),
        }
    }
}

#[test]
fn json_holds_the_true_octets() {
    let (log, hostile) = (played("json"), hostile());
    are_printable(&log, 3);
    for line in &log {
        let fields = json(behind(line, "smtp-wrapper"));
        let get = |key: &str| {
            fields.iter().find(|(of, _)| of == key).and_then(|(_, value)| value.as_deref())
        };
        assert_eq!(get("ip"), Some(&b"127.0.0.1"[..]));
        assert!(is_cut_of(get("helo").expect("a name"), hostile.helo.as_bytes()), "{line}");
        if get("verdict").is_some() {
            assert!(is_cut_of(get("from").expect("a sender"), hostile.from.as_bytes()), "{line}");
        }
    }
    // The same keys in the same order as natively.
    let native = played("native");
    for (json_line, native) in log.iter().zip(&native) {
        let keys: Vec<_> =
            json(behind(json_line, "smtp-wrapper")).into_iter().map(|(key, _)| key).collect();
        let fields = Fields::of(native.as_bytes()).expect("a line of ours");
        let expected: Vec<_> =
            fields.map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn postfix_lines_cannot_be_forged() {
    let log = played("postfix");
    are_printable(&log, 4);
    let text: Vec<_> = log.iter().map(|line| behind(line, "postfix/smtpd")).collect();
    assert_eq!(text[0], "connect from unknown[127.0.0.1]");
    assert!(
        text[1]
            .starts_with("NOQUEUE: reject: RCPT from unknown[127.0.0.1]: 550 5.1.1 <b@mta.test>: "),
        "{}",
        text[1]
    );
    assert!(
        text[2]
            .starts_with("NOQUEUE: reject: RCPT from unknown[127.0.0.1]: 450 4.7.1 <c@mta.test>: "),
        "{}",
        text[2]
    );
    assert!(text[3].starts_with("disconnect from unknown[127.0.0.1] "), "{}", text[3]);
    let mark = regex::Regex::new(
        r"\]: |(?-u:\b)(?:reject|reject_warning|hold|discard): |from=<|to=<|helo=<",
    )
    .expect("an expression");
    for line in &text[1..3] {
        // Those of the line itself, and no others.
        let marks: Vec<_> = mark.find_iter(line).map(|found| found.as_str()).collect();
        assert_eq!(marks, ["reject: ", "]: ", "from=<", "to=<", "helo=<"], "{line}");
    }
}

#[test]
fn the_originals_lines_cannot_be_forged() {
    let log = played("original");
    are_printable(&log, 3);
    let text: Vec<_> = log.iter().map(|line| behind(line, "smtp_wrapper")).collect();
    assert!(text[0].starts_with("rejected by mta. IP=127.0.0.1: 550 5.1.1 "), "{}", text[0]);
    assert!(text[1].starts_with("rejected by ip_filter. IP=127.0.0.1: 450 4.7.1 "), "{}", text[1]);
    assert!(text[2].starts_with("end. IP=127.0.0.1: quit "), "{}", text[2]);
    for line in text {
        assert!(line.matches("rejected by ").count() <= 1, "{line}");
        assert!(line.matches(" from=<").count() <= 1, "{line}");
    }
}

/// Every kind of line but that of a recipient, in each style.
#[test]
fn every_kind_of_line_has_a_shape() {
    for style in STYLES {
        let options = ["--log-style", style];
        let mut away = Session::with_options(
            Script::absent(),
            &[&options[..], &["--upstream", "unix:/nonexistent"]].concat(),
        );
        away.plays("S: 421 4.3.0 Mail system not available, try again later\nS: (closed)");
        away.program.status();
        away.log.stops();
        // The one that was passed over, and the session; for Postfix also its beginning and a warning.
        are_printable(&away.log.lines(), if style == "postfix" { 4 } else { 2 });
        let all = away.log.lines().concat();
        let words: &[&str] = match style {
            "native" => &["session=trouble upstream=<127", "session=end"],
            "json" => &[r#""session":"trouble","upstream":"127"#, r#""session":"end""#],
            "postfix" => &[
                "connect from unknown[127.0.0.1]",
                "warning: unknown[127.0.0.1]: trouble upstream=<127",
                "MTA lost",
            ],
            _ => &["trouble. IP=127.0.0.1: upstream=<127", "end. IP=127.0.0.1: mta.away mta=lost"],
        };
        words.iter().for_each(|word| assert!(all.contains(word), "{style}: no {word} in {all}"));

        let mut wrong = Session::with_options(
            Script::polite(),
            &[&options[..], &["--time-limit", "x"]].concat(),
        );
        wrong.plays("S: 421 4.3.5 Configuration error, try again later\nS: (closed)");
        assert_eq!(wrong.program.status(), Some(78));
        wrong.log.stops();
        let all = wrong.log.lines().concat();
        let word = match style {
            "native" => "session=none end=session.bad-configuration why=<",
            "json" => {
                r#""session":"none","end":"session.bad-configuration","why":"--time-limit \"x\": "#
            }
            "postfix" => "warning: unknown[-]: none end=session.bad-configuration: --time-limit",
            _ => "none. IP=-: end=session.bad-configuration --time-limit",
        };
        are_printable(&wrong.log.lines(), 1);
        assert!(all.contains(word), "{style}: no {word} in {all}");
    }
}

#[test]
fn a_message_is_taken_once_for_all_its_recipients() {
    let mut s = Session::with_options(Script::polite(), &["--log-style", "postfix"]);
    s.greets();
    for _ in 0..2 {
        s.plays(
            "C: MAIL FROM:<a@client.example>
             S: 250 2.1.0 sender ok
             C: RCPT TO:<b@mta.test>
             S: 250 2.1.5 recipient ok
             C: RCPT TO:<c@mta.test>
             S: 250 2.1.5 recipient ok
             C: DATA
             S: 354 go ahead
             C: .
             S: 250 2.0.0 queued",
        );
    }
    s.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
    assert_eq!(s.program.status(), Some(0));
    s.log.stops();
    let count = |what: &str| s.log.lines().iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("]: NOQUEUE: client=unknown[127.0.0.1]"), 2);
    assert_eq!(
        count("]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 queued; from=<a@client.example> to=<"),
        4
    );
}

#[test]
fn a_style_that_is_none_is_a_mistake() {
    let mut s = Session::with_options(Script::polite(), &["--log-style", "syslog"]);
    s.plays("S: 421 4.3.5 Configuration error, try again later\nS: (closed)");
    s.program.status();
    s.log.stops();
    assert!(
        s.log
            .lines()
            .concat()
            .contains("native\\x20or\\x20postfix\\x20or\\x20original\\x20or\\x20json")
    );
}

#[test]
fn the_environment_names_a_style_too() {
    let (transcript, folder) = (Transcript::new(), Folder::fresh());
    let mta = Mta::follows(Script::polite(), &transcript);
    let log = Syslog::at(folder.file("log"));
    let (ours, theirs) = connection();
    let mut command = Program::command(&folder.file(""));
    command.args(common::upstream_and_log(&mta, &log));
    command.env("SMTP_WRAPPER_OPTIONS", "--log-style json");
    let mut program = Program::on_socket(command, theirs.into(), &transcript);
    let mut client = Client::on_socket(ours, &transcript);
    client.reply();
    client.says("QUIT");
    client.reply();
    client.is_closed();
    assert_eq!(program.status(), Some(0));
    log.stops();
    let fields = json(behind(&log.lines().concat(), "smtp-wrapper"));
    assert!(fields.iter().any(|(key, value)| key == "session" && value.as_deref() == Some(b"end")));
}
