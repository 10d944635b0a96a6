//! The documents against the program: what the program has, the documents name, in the program's own words.
//!
//! The manual page is read as a person sees it ([`Page`]), not as it is written, so that a reply's text may be broken
//! over lines and `Fl -log` is `--log`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{Folder, Program, Script, Session, connection, tls};
use regex::Regex;
use rustls::version::TLS13;
use smtp_wrapper::cli::{self, Listen};
use smtp_wrapper::config::sections::SECTIONS;
use smtp_wrapper::config::{self, Settings, Source};
use smtp_wrapper::filter::{KINDS, policy, reply};
use smtp_wrapper::smtp::{ehlo, standing};
use smtp_wrapper::{exit, limits};

const README: &str = include_str!("../README.md");
const CHANGELOG: &str = include_str!("../CHANGELOG.md");
const TOML_PAGE: &str = include_str!("../man/smtp-wrapper.toml.5");
const SAMPLE: &str = include_str!("../filters/smtp-wrapper.toml");
const MAN: &str = include_str!("../man/smtp-wrapper.8");

/// The two commands that a newcomer types.
const COMMANDS: [&str; 2] = ["cargo run --release -- try", "tests/run"];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a regular expression")
}

/// A section of the manual page.
struct Page {
    /// As it is written.
    source: String,
    /// The words, parted by one space, without macros and escapes.
    words: String,
}

impl Page {
    fn section(name: &str) -> Page {
        let (_, rest) = MAN
            .split_once(&format!("\n.Sh {name}\n"))
            .unwrap_or_else(|| panic!("no section {name}"));
        let source = rest.split("\n.Sh ").next().unwrap_or(rest).to_owned();
        let mut words = String::new();
        for line in source.lines() {
            words.push_str(&plain(line));
            words.push(' ');
        }
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Page { source, words }
    }

    /// The heads of its list entries, in words.
    fn entries(&self) -> Vec<String> {
        self.source.lines().filter(|line| line.starts_with(".It")).map(plain).collect()
    }

    /// Is there an entry whose head has this word?
    fn has_entry(&self, word: &str) -> bool {
        self.entries().iter().any(|head| head.split([' ', ',', '=']).any(|w| w == word))
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let place = self.words.match_indices(words).find(|(at, _)| {
            let after = self.words.get(at + words.len()..).unwrap_or_default();
            !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
        });
        assert!(place.is_some(), "the manual page does not say: {words}\nin: {}", self.words);
    }
}

/// A line of mdoc in words.
fn plain(line: &str) -> String {
    let line = line.replace("\\e", "\\").replace("\\&", "");
    let Some(arguments) = line.strip_prefix('.') else {
        return line;
    };
    let (mut out, mut dash, mut glued) = (String::new(), false, true);
    for word in arguments.split_whitespace() {
        match word {
            "Ns" => glued = true,
            "Fl" => dash = true,
            "It" | "Ar" | "Sy" | "Ev" | "Cm" | "Pa" | "Ql" | "Dv" | "Sx" | "Nm" | "Va" | "br" => {}
            _ => {
                // Punctuation of its own belongs to the word before it.
                let stands_apart = !glued && !matches!(word, "," | ":" | "." | ";");
                out.push_str(if stands_apart { " " } else { "" });
                out.push_str(if dash { "-" } else { "" });
                out.push_str(word);
                (dash, glued) = (false, false);
            }
        }
    }
    out
}

#[test]
fn every_option_is_in_the_manual_page_in_the_readme_and_in_help() {
    let (page, help) = (Page::section("OPTIONS"), cli::help());
    for option in cli::options() {
        for name in option.names {
            let lower = option.value.to_lowercase();
            let head = format!("{name} {lower}").trim_end().to_owned();
            let heads = page.entries();
            let found = heads.iter().any(|entry| entry.split(", ").any(|one| one == head));
            assert!(found, "manual page: no entry for {head} in {heads:?}");
            let shown = format!("`{}`", format!("{name} {}", option.value).trim_end());
            assert!(README.contains(&shown), "README: no {shown}");
            let line = help.lines().find(|line| line.split([' ', ',']).any(|word| word == *name));
            assert!(line.is_some_and(|line| line.contains(option.help)), "--help: {name}");
        }
    }
    for name in ["--help", "--version"] {
        assert!(page.has_entry(name) && README.contains(name) && help.contains(name), "{name}");
    }
}

#[test]
fn every_mode_is_in_the_manual_page_in_the_readme_and_in_help() {
    let (synopsis, text, help) =
        (Page::section("SYNOPSIS"), Page::section("DESCRIPTION"), cli::help());
    for mode in
        ["listen", "try", "compile", "explain", "check", "report", "replay", "import", "jail"]
    {
        assert!(synopsis.source.contains(&format!(".Nm\n.Cm {mode}\n")), "synopsis: {mode}");
        assert!(text.source.contains(&format!(".Nm Cm {mode}\n")), "description: {mode}");
        assert!(README.contains(&format!("`{mode}`")), "README: {mode}");
        assert!(help.contains(&format!(" smtp-wrapper {mode} ")), "--help: {mode}");
    }
}

#[test]
fn defaults_are_those_of_the_program() {
    let (page, listen) = (Page::section("OPTIONS"), Listen::default());
    for (option, default) in [
        ("--upstream ADDRESS", Settings::default().upstream.to_string()),
        ("--max N", listen.max.to_string()),
        ("--max-per-address N", listen.max_per_address.to_string()),
        ("--backlog N", listen.backlog.to_string()),
    ] {
        page.says(&format!("The default is {default}."));
        let row = README.lines().find(|line| line.starts_with(&format!("| `{option}`")));
        let row = row.unwrap_or_else(|| panic!("README: no row for {option}"));
        assert!(row.ends_with(&format!(" {default} |")), "{row}: not {default}");
    }
}

#[test]
fn every_reply_of_ours_is_in_the_manual_page() {
    let page = Page::section("REPLIES");
    for reply in standing::ALL {
        assert!(page.has_entry(reply.rule), "no entry for {}", reply.rule);
        page.says(&format!("{} {} {}", reply.rule, reply.code, reply.text));
    }
}

#[test]
fn the_manual_page_lists_no_reply_that_is_gone() {
    for rule in Page::section("REPLIES").entries() {
        let known = standing::ALL.iter().any(|reply| reply.rule == rule);
        assert!(known, "{rule} is no reply of ours");
    }
}

#[test]
fn every_exit_status_is_in_the_manual_page_and_in_help() {
    let (page, help) = (Page::section("EXIT STATUS"), cli::help());
    let statuses = [
        exit::OK,
        exit::FOUND,
        exit::REFUSED_FOR_GOOD,
        exit::INTERNAL,
        exit::TEMPORARY,
        exit::CONFIGURATION,
    ]
    .map(|status| status.to_string());
    assert_eq!(page.entries(), statuses);
    let (_, line) = help.split_once("Exit status:").expect("a line on exit statuses");
    for status in statuses {
        assert!(line.contains(&format!(" {status} ")), "--help: {status}");
    }
}

#[test]
fn every_ehlo_keyword_is_in_the_manual_page_and_in_the_readme() {
    let page = Page::section("DESCRIPTION");
    let (_, readme) = README.split_once("**EHLO.**").expect("a paragraph on EHLO");
    let readme = readme.split("\n- **").next().expect("its end");
    let list = regex(r"keywords are passed: ([A-Z0-9, -]+)\.")
        .captures(&page.words)
        .expect("a list of keywords");
    let listed: BTreeSet<&str> = list.get(1).expect("the list").as_str().split(", ").collect();
    assert_eq!(listed, ehlo::PASSED.iter().copied().collect());
    for keyword in ehlo::PASSED {
        assert!(
            readme
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .any(|word| word == *keyword),
            "{keyword}"
        );
    }
}

/// The log lines of a session with a delivered message and one with no MTA, so of every kind that mail makes.
fn log_lines() -> Vec<String> {
    let folder = Folder::fresh();
    let config = folder.file("config.toml");
    let allow = "[[filter]]\ntype = \"allow\"\nentries = [\"127.0.0.1\"]\n";
    fs::write(&config, allow).expect("a configuration");
    let options = ["--config", config.to_str().expect("a path")];
    let mut allowed = Session::with_options(Script::polite(), &options);
    allowed.opens_a_message();
    allowed.plays("C: .\nS: 250 2.0.0 queued");
    allowed.quits();
    let mut delivered = Session::starts();
    delivered.opens_a_message();
    delivered.plays(
        "C: x
         C: .
         S: 250 2.0.0 queued",
    );
    delivered.quits();
    let mut away = Session::with(Script::absent());
    away.plays("S: 421 4.3.0 Mail system not available, try again later\nS: (closed)");
    away.ends(&[75]);
    let mut held = Session::with_options(Script::absent(), &["-if", "/nonexistent"]);
    held.plays(
        "S: 220 …
         C: HELO x
         S: 250 …
         C: MAIL FROM:<a@b>
         S: 250 2.0.0 Ok
         C: RCPT TO:<c@d>
         S: 451 4.3.0 Local filter not available, try again later",
    );
    held.plays("C: QUIT\nS: 221 2.0.0 Bye");
    held.ends(&[0]);
    let users = Script::polite()
        .on("EHLO", "250-mta.test\n250 AUTH PLAIN")
        .on("AUTH", "235 2.7.0 it is you");
    let mut lifted = Session::with_options(users, &["--auth-lifts", "-if", "/nonexistent"]);
    lifted.plays("S: 220 …\nC: EHLO x\nS: 250-…\nS: 250-…\nS: 250 …\nC: AUTH PLAIN =\nS: 235…");
    lifted.plays("C: MAIL FROM:<a@b>\nS: 250…\nC: RCPT TO:<c@d>\nS: 250…");
    lifted.quits();
    let state = Folder::fresh();
    let path = state.file("config.toml");
    let (state, certificate, key) = (state.file(""), tls::pem("mx.crt"), tls::pem("mx.key"));
    let text = format!(
        "state = {state:?}\n[tls]\ncert = {certificate:?}\nkey = {key:?}\nclient_cert = \"ask\""
    );
    fs::write(&path, text).expect("a configuration");
    let client = Arc::new(tls::client(&[&TLS13], true));
    let encrypted = || {
        let (ours, theirs) = connection();
        let socket = ours.try_clone().expect("a socket");
        let folder = Folder::fresh();
        let command = Program::command(&folder.file(""));
        let options = ["--config", path.to_str().expect("a path")];
        let mut session = Session::on(ours, theirs, Script::polite(), folder, command, &options);
        session.greets();
        session.plays("C: STARTTLS\nS: 220 2.0.0 Ready to start TLS");
        let mut client = tls::Encrypted::begins(&client, "mx.example.org", socket).shakes_hands();
        client.quits();
        session.ends(&[0]);
        session.log.lines()
    };
    let (begun, resumed) = (encrypted(), encrypted());
    let mut second = Session::with_options(Script::absent(), &["--upstream", "unix:/nonexistent"]);
    second.plays("S: 421 4.3.0 Mail system not available, try again later\nS: (closed)");
    second.ends(&[75]);
    [
        delivered.log.lines(),
        allowed.log.lines(),
        away.log.lines(),
        held.log.lines(),
        lifted.log.lines(),
        second.log.lines(),
        begun,
        resumed,
    ]
    .concat()
}

#[test]
fn every_log_key_is_in_the_manual_page_and_every_kind_of_line_was_seen() {
    let (page, key) = (Page::section("LOG"), regex(" ([a-z]+)="));
    let lines = log_lines();
    for kind in ["verdict=pass", "session=end", "mta=lost why=<127.0.0.1:"] {
        assert!(lines.iter().any(|line| line.contains(kind)), "no {kind} in {lines:#?}");
    }
    let mut seen = BTreeSet::new();
    for line in &lines {
        seen.extend(key.captures_iter(line).map(|found| found.extract::<1>().1[0].to_owned()));
    }
    for key in &seen {
        assert!(page.has_entry(key), "the manual page has no log key {key}");
    }
    for head in page.entries() {
        let key = head.split([' ', '=']).next().unwrap_or_default();
        assert!(
            seen.contains(key),
            "the manual page has the log key {key}, which no line had: {seen:?}"
        );
    }
}

#[test]
fn the_lines_shown_in_the_readme_have_the_keys_of_real_ones() {
    let key = regex("(?:^|[ :])([a-z]+)=");
    let keys = |line: &str| -> Vec<String> {
        let line = line.split_once("v=1").map_or(line, |(_, rest)| rest);
        key.captures_iter(line).map(|found| found.extract::<1>().1[0].to_owned()).collect()
    };
    let lines = log_lines();
    for kind in [" verdict=", " session=end "] {
        let shown = README.lines().find(|line| line.starts_with("    v=1") && line.contains(kind));
        let real = lines.iter().find(|line| line.contains(kind)).expect("a real line");
        assert_eq!(shown.map(keys), Some(keys(real)), "{kind}");
    }
}

#[test]
fn the_limits_are_in_the_manual_page() {
    let page = Page::section("LIMITS");
    page.says(&format!("{} octets, CR LF included; AUTH", limits::COMMAND_LINE));
    page.says(&format!("a line of its exchange, {} octets", limits::AUTH_LINE));
    page.says(&format!("{} octets; then the reply is given", limits::LINE_WITHOUT_END));
    page.says(&format!("Recipients of a transaction {};", limits::RECIPIENTS));
    page.says(&format!("Refused commands {} answered 5yz", limits::ERRORS));
    page.says(&format!("{} octets a line, {} lines", limits::REPLY_LINE, limits::REPLY_LINES));
    page.says(&format!("{} sent to the MTA in a group", limits::PIPELINE));
    let seconds = |time: std::time::Duration| time.as_secs();
    page.says(&format!(
        "For a command {} seconds; for the MTA's greeting {}, its reply to a command {}, to DATA {}, to the end of mail \
         data {}; for a block of mail data, or a peer to take one, {}.",
        seconds(limits::COMMAND_WAIT),
        seconds(limits::GREETING_WAIT),
        seconds(limits::REPLY_WAIT),
        seconds(limits::DATA_REPLY_WAIT),
        seconds(limits::END_OF_DATA_WAIT),
        seconds(limits::BLOCK_WAIT),
    ));
    page.says(&format!("silent for {} seconds", seconds(limits::REFUSED_DATA_WAIT)));
    page.says(&format!("{} refused recipients in a session", limits::LOGGED_REFUSALS));
    page.says(&format!("takes {} seconds at most", seconds(limits::FILTER)));
    page.says(&format!(
        "holds a client for {} seconds, and {} clients at once",
        seconds(limits::TARPIT),
        limits::TARPIT_AT_ONCE
    ));
    page.says(&format!("{} octets in memory, and {} in all", limits::SPOOL_MEMORY, limits::SPOOL));
    page.says(&format!("NOOP every {} seconds", seconds(limits::KEEP_ALIVE)));
    Page::section("FILTERS").says(&format!("in memory up to {} octets", limits::SPOOL_MEMORY));
    page.says(&format!("{} octets of an answer that refuses", limits::PROGRAM_ANSWER));
    page.says(&format!("{} octets of recipients", limits::PROGRAM_RECIPIENTS));
    page.says(&format!("{} seconds of grace", limits::PROGRAM_GRACE.as_secs_f64()));
    page.says(&format!("A handshake takes {} seconds at most", seconds(limits::HANDSHAKE)));
    page.says(&format!("says a word for {} seconds", seconds(limits::TUNNEL_WAIT)));
    page.says(&format!("Session {} seconds", seconds(limits::SESSION)));
    page.says(&format!("Address of the MTA {} seconds", seconds(limits::CONNECT_WAIT)));
    page.says(&format!("Several MTAs {} seconds", seconds(limits::NEXT_MTA_WAIT)));
    page.says(&format!(
        "program {} seconds to end when its connection is closed, {} second more after SIGTERM; {} lines",
        seconds(limits::MTA_PROGRAM_END),
        seconds(limits::MTA_PROGRAM_TERM),
        limits::MTA_PROGRAM_LINES
    ));
    page.says(&format!("XCLIENT {} octets a line", limits::XCLIENT_LINE));
    page.says(&format!(
        "balancer {} seconds; 107 octets in version 1, {} behind",
        seconds(limits::PROXY_HEADER_WAIT),
        limits::PROXY_HEADER
    ));
    page.says(&format!("Last reply {} seconds", seconds(limits::LINGER)));
    page.says(&format!("Log {} seconds", limits::LOG_WAIT.as_secs_f64()));
    Page::section("LOG").says(&format!("for {} seconds", limits::LOG_WAIT.as_secs_f64()));
    Page::section("LOG").says(&format!("cut after {} octets", limits::LOGGED_TEXT));
}

/// The words of the configuration's manual page between this head of a section,
/// subsection or anything else and the next.
fn in_toml_page(head: &str) -> String {
    let part =
        TOML_PAGE.split_once(&format!("{head}\n")).unwrap_or_else(|| panic!("no {head:?}")).1;
    part.split("\n.Sh").next().unwrap().split("\n.Ss").next().unwrap().to_owned()
}

#[test]
fn every_table_key_and_type_is_in_the_manual_page_of_the_configuration_and_in_the_sample() {
    let has = |part: &str, head: &str, key: &str| {
        assert!(part.contains(&format!(".It Va {key}\n")), "{head} has no {key}");
        let shown =
            |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} "));
        assert!(SAMPLE.lines().any(shown), "the sample has no {key}");
    };
    for section in SECTIONS {
        let head = match section.name {
            "" => ".Sh HEAD OF THE FILE".to_owned(),
            name => format!(".Sh [{name}]"),
        };
        let part = in_toml_page(&head);
        section.keys.iter().for_each(|key| has(&part, &head, key.name));
        assert_eq!(part.matches(".It Va ").count(), section.keys.len(), "{head} has more");
    }
    let common = in_toml_page(".Sh [[filter]]");
    policy::KEYS.iter().for_each(|key| has(&common, "[[filter]]", key.name));
    for kind in KINDS {
        let head = format!(".Ss {}", kind.name);
        let part = in_toml_page(&head);
        kind.keys.iter().for_each(|key| has(&part, &head, key.name));
        assert_eq!(part.matches(".It Va ").count(), kind.keys.len(), "{head} has more");
    }
}

#[test]
fn every_rule_of_the_filters_is_in_the_manual_page() {
    let page = Page::section("FILTERS");
    let rules: Vec<_> =
        KINDS.iter().flat_map(|kind| kind.rules).cloned().chain([reply::BROKEN]).collect();
    for refusal in &rules {
        assert!(page.has_entry(refusal.rule), "no entry for {}", refusal.rule);
        page.says(&format!("{} {}", refusal.code.get(), refusal.text));
    }
    assert_eq!(page.entries().len(), rules.len());
}

#[test]
fn the_configuration_in_the_readme_is_one() {
    let (_, shown) = README.split_once("```toml\n").expect("a block of TOML");
    let (shown, _) = shown.split_once("```").expect("its end");
    let path = std::env::temp_dir().join(format!("smtp-wrapper-readme.{}", std::process::id()));
    std::fs::write(&path, shown).unwrap();
    let source = Source::Named(path.to_str().unwrap().to_owned().leak());
    let loaded = config::load(source, true, |_| Ok(()));
    std::fs::remove_file(&path).unwrap();
    assert!(loaded.is_ok(), "{}", loaded.err().unwrap());
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let shown: Vec<&str> = README.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(shown.first(), Some(&COMMANDS[0]));
    assert!(shown.contains(&COMMANDS[1]));
}

/// That a stated score is the real one is checked where systemd is (tests/real/systemd).
#[test]
fn the_scores_of_units_in_the_readme_are_those_that_the_units_state() {
    let mut units = 0;
    for unit in Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").read_dir().unwrap() {
        let unit = unit.unwrap();
        let text = fs::read_to_string(unit.path()).unwrap();
        let mut lines = text.lines();
        let Some(stated) = lines.find_map(|line| line.strip_prefix("# systemd-analyze security: "))
        else {
            continue;
        };
        let score = stated.split(' ').next().unwrap_or_default();
        let head = format!("| `systemd/{}` |", unit.file_name().display());
        let row = README.lines().find(|line| line.starts_with(&head));
        let end = format!("| {score} |");
        assert!(row.is_some_and(|row| row.ends_with(&end)), "README: no row {head} … {end}");
        units += 1;
    }
    assert_eq!(units, 3);
}

#[test]
fn documents_name_only_what_is_in_the_project() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outside = regex(r"\.\./|/(?:work|root|home|tmp|build)/");
    // Not behind a slash: /usr/share/man is not ours.
    let inside =
        regex(r"(?m)(?:^|[ `(])((?:src|tests|inetd|systemd|man|filters)/[A-Za-z0-9@._/-]*)");
    let mut found = 0;
    for (name, text) in [
        ("README.md", README),
        ("CHANGELOG.md", CHANGELOG),
        ("the manual page", MAN),
        ("smtp-wrapper.toml(5)", TOML_PAGE),
    ] {
        assert_eq!(outside.find(text).map(|found| found.as_str()), None, "{name}");
        for [path] in inside.captures_iter(text).map(|found| found.extract().1) {
            assert!(root.join(path).exists(), "{name}: there is no {path}");
            found += 1;
        }
    }
    assert!(found > 20, "{found} paths found: is the pattern right?");
}

#[test]
fn the_changelog_has_this_version_on_top() {
    let version = CHANGELOG.lines().find_map(|line| line.strip_prefix("## ")).expect("a version");
    assert_eq!(version.split(' ').next(), Some(env!("CARGO_PKG_VERSION")));
    assert!(README.contains(concat!("Version ", env!("CARGO_PKG_VERSION"))));
}
