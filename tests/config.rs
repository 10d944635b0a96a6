//! The configuration: what is wrong in it is told with file, line and key; what overrides what; and
//! its compiled form, which is never believed when it should not be.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::{Folder, Script, Session};
use smtp_wrapper::config::{self, ConfigError, Loaded, Profile, RejectAt, Source, compiled};

fn leaked(path: &Path) -> &'static str {
    path.to_str().unwrap().to_owned().leak()
}

fn load(path: &Path) -> Result<Loaded, ConfigError> {
    config::load(Source::Named(leaked(path)), true, |_| Ok(()))
}

#[test]
fn mistakes_are_told_with_line_and_key_and_what_was_meant() {
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    for (text, says) in [
        ("greet = 5", ":1: unknown key \"greet\": there are profile, state"),
        (
            "\n[session]\ngreet_dealy = \"5s\"",
            ":3: unknown key \"greet_dealy\" in [session]: did you mean \"greet_delay\"?",
        ),
        ("[sesion]", ":1: unknown table [sesion]: did you mean \"session\"?"),
        ("[filter]\ntype = \"deny\"", ":1: filters stand under [[filter]], in double brackets"),
        (
            "[session]\ngreet_delay = \"5 parsecs\"",
            ":2: key \"greet_delay\" in [session]: must be a time",
        ),
        (
            "[session]\ngreet_delay = \"25h\"",
            ":2: key \"greet_delay\" in [session]: must be a time of at most a day",
        ),
        ("[session]\ngreet_delay = 1.5", ":2: key \"greet_delay\": a fraction"),
        (
            "[session]\nauth_lifts = true\nreject_at = \"connect\"",
            ":2: key \"auth_lifts\" in [session]: cannot be, as reject_at = \"connect\" refuses before AUTH",
        ),
        (
            "[session]\nreject_at = \"data\"",
            ":2: key \"reject_at\" in [session]: must be \"rcpt\" or \"connect\"",
        ),
        ("[session]\nhostname = \"a b\"", ":2: key \"hostname\" in [session]: must be a host name"),
        ("[session]\ntime_limit = 0", ":2: key \"time_limit\" in [session]: must be above 0"),
        ("state = \"here\"", ":1: key \"state\": must be a path"),
        ("state = 5", ":1: key \"state\": must be a text in quotes"),
        ("profile = \"orginal\"", ":1: key \"profile\": must be \"none\" or \"original\""),
        ("[upstream]\naddress = \"x\"", ":2: key \"address\" in [upstream]: must be HOST:PORT"),
        ("[log]\nto = \"file\"", ":2: key \"to\" in [log]: must be auto"),
        ("[tarpit]\nat_once = -1", ":2: key \"at_once\" in [tarpit]: must be a number from 0"),
        ("[[filter]]\nentries = []", ":1: key \"type\" in [[filter]]: is missing: one of allow"),
        (
            "\n[[filter]]\ntype = \"dney\"",
            ":3: key \"type\" in [[filter]]: unknown type \"dney\": did you mean \"deny\"?",
        ),
        ("[[filter]]\ntype = \"deny\"", ":1: key \"entries\" in [[filter]]: is missing"),
        (
            "[[filter]]\ntype = \"deny\"\nentries = \"x\"",
            ":3: key \"entries\" in [[filter]]: must be a list",
        ),
        (
            "[[filter]]\ntype = \"deny\"\nentries = [\"example\"]",
            ":3: key \"entries\" in [[filter]]: \"example\" is neither",
        ),
        (
            "[[filter]]\ntype = \"deny\"\nentries = []\nentires = []",
            ":4: unknown key \"entires\" in [[filter]]: did you mean \"entries\"?",
        ),
        (
            "[[filter]]\ntype = \"deny\"\nentries = []\nthen = \"pass\"",
            ":4: key \"then\" in [[filter]]: goes with on_hit",
        ),
        (
            "[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"x\"]",
            ":4: key \"run\" in [[filter]]: must begin with a path",
        ),
        (
            "[[filter]]\ntype = \"program\"\nat = \"message\"\nrun = [\"/x\"]",
            ":1: key \"contract\" in [[filter]]: is missing",
        ),
        (
            "[[filter]]\ntype = \"relay\"\ndomains = [\"a.b\"]\nclients = [\"helo:x\"]",
            ":4: key \"clients\" in [[filter]]: must be addresses",
        ),
        (
            "[[filter]]\ntype = \"relay\"\ndomains = [\"a.b\"]\nclients = [\"mx.a.b\"]",
            ":4: key \"clients\" in [[filter]]: must be addresses",
        ),
        (
            "[[filter]]\ntype = \"relay\"\ndomains = []",
            ":3: key \"domains\" in [[filter]]: is empty",
        ),
        (
            "[[filter]]\ntype = \"relay\"\ndomains = [\"from:a.b\"]",
            ":3: key \"domains\" in [[filter]]: must be domains and addresses of recipients",
        ),
        ("[dns]\nservers = [\"x\"]", ":2: key \"servers\" in [dns]: \"x\" must be an address"),
        (
            "[dns]\nresolver = \"system\"\nservers = [\"127.0.0.1\"]",
            ":3: key \"servers\" in [dns]: goes with resolver",
        ),
        ("[session]\nhostname = \"a\"\nhostname = \"b\"", ":3: duplicate key"),
        ("[session", ":1: "),
        ("x = \"\u{1}\"", ":1: "),
        ("a.b.c = 1", ":1: key \"b\": a table does not belong here"),
    ] {
        fs::write(&file, text).unwrap();
        let error = load(&file).err().unwrap_or_else(|| panic!("{text:?} is accepted")).to_string();
        let expected = format!("{}{says}", file.display());
        assert!(
            error.starts_with(&expected),
            "{text:?}\n  gives    {error}\n  and not  {expected}"
        );
    }
    fs::write(&file, b"x = \"\xff\"").unwrap();
    assert!(load(&file).err().unwrap().to_string().ends_with("is not UTF-8"));
    fs::write(&file, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    assert!(load(&file).err().unwrap().to_string().ends_with("it is larger than 1 MiB"));
    fs::remove_file(&file).unwrap();
    assert!(load(&file).err().unwrap().to_string().ends_with("there is no such file"));
    assert!(load(&folder.file("")).is_err());
    // Read before somebody writes to it, a pipe would be a configuration without filters.
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert!(load(&file).err().unwrap().to_string().ends_with("it is a pipe"));
}

#[test]
fn the_sample_is_right_as_it_is_and_with_all_of_it_in_effect() {
    let sample = include_str!("../filters/smtp-wrapper.toml");
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    fs::write(&file, sample).unwrap();
    assert!(load(&file).is_ok());
    let in_effect = sample.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with([' ', '#']) => rest,
        _ => line,
    });
    let text =
        in_effect.collect::<Vec<_>>().join("\n").replace("observe = true", "observe = false");
    fs::write(&file, &text).unwrap();
    fs::write(folder.file("allow.list"), "192.0.2.1\n").unwrap();
    let loaded = load(&file).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(loaded.settings.greet_delay, Duration::from_secs(5));
}

#[test]
fn the_samples_before_each_mta_are_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/filters/mta");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let loaded = load(&path);
            assert!(loaded.is_ok(), "{}", loaded.err().unwrap());
            found += 1;
        }
    }
    assert_eq!(found, 7);
}

#[test]
fn keys_may_be_written_in_every_way_of_toml() {
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    let text = "profile='original'\nsession={reject_at=\"connect\", greet_delay=\"1.5s\"}\n\
                upstream.address=\"[::1]:26\"\n[[filter]]\n\"type\"=\"\\u0064eny\"\nentries=[\n\"192.0.2.1\", # one\n]\n";
    fs::write(&file, text).unwrap();
    let loaded = load(&file).unwrap();
    assert_eq!(loaded.settings.profile, Profile::Original);
    assert_eq!(loaded.settings.reject_at, RejectAt::Connect);
    assert_eq!(loaded.settings.greet_delay, Duration::from_millis(1500));
    assert_eq!(loaded.settings.upstream.to_string(), "[::1]:26");
}

fn compile(file: &Path) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"))
        .arg("compile")
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn the_compiled_form_is_used_and_is_never_believed_when_it_should_not_be() {
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    let text = "state = \"/a\"\n[session]\nhostname = \"mx.example\"\n[[filter]]\ntype = \"deny\"\nentries = [\"192.0.2.1\"]\n";
    fs::write(&file, text).unwrap();
    let output = compile(&file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let form = compiled::path_of(&file);
    let good = fs::read(&form).unwrap();
    assert_eq!(load(&file).unwrap().note, None);
    // Used: what is in it counts, not the text. (The state's path is in both, as long.)
    let at = good.windows(2).position(|two| two == b"/a").unwrap();
    let expected = |loaded: Result<Loaded, ConfigError>| {
        let loaded = loaded.unwrap();
        assert_eq!(loaded.settings.state, Path::new("/a"));
        assert_eq!(loaded.settings.hostname, Some("mx.example"));
        assert!(!loaded.chain.is_empty());
        loaded.note
    };
    // Each octet changed, and each length: it is noticed, and the text is read.
    for n in 0..good.len() {
        let mut bad = good.clone();
        *bad.get_mut(n).unwrap() ^= if n == at { 2 } else { 0x41 };
        fs::write(&form, &bad).unwrap();
        let note = expected(load(&file)).unwrap_or_else(|| panic!("octet {n} changed: believed"));
        assert!(note.contains("run smtp-wrapper compile"), "{note}");
        fs::write(&form, good.get(..n).unwrap()).unwrap();
        assert!(expected(load(&file)).is_some(), "cut at {n}: believed");
    }
    // One that others may write, though the text is not theirs to write.
    fs::write(&form, &good).unwrap();
    fs::set_permissions(&form, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(expected(load(&file)).unwrap().contains("by others"));
    fs::set_permissions(&form, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(expected(load(&file)), None);
    // The text was edited; then it is compiled anew, while it is read.
    fs::write(&file, text.replace("mx.example", "mx.sample")).unwrap();
    let loaded = load(&file).unwrap();
    assert_eq!(loaded.settings.hostname, Some("mx.sample"));
    assert!(loaded.note.unwrap().contains("is not of this text"));
    assert!(compile(&file).status.success());
    assert_eq!(load(&file).unwrap().note, None);
    // A mistake is told, and what was there stays.
    fs::write(&file, "stat = \"/a\"").unwrap();
    let output = compile(&file);
    assert_eq!(output.status.code(), Some(78));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("c.toml:1: unknown key \"stat\": did you mean \"state\"?"), "{error}");
    let left: Vec<_> =
        fs::read_dir(folder.file("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_session_with_a_broken_configuration_is_421_and_says_why_in_the_log() {
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    fs::write(&file, "[session]\ngreet_dealy = 5\n").unwrap();
    let mut s = Session::with_options(Script::polite(), &["--config", leaked(&file)]);
    s.plays("S: 421 4.3.5 Configuration error, try again later\nS: (closed)");
    assert_eq!(s.program.status(), Some(78));
    s.log.stops();
    s.logs(
        1,
        "session=none end=session.bad-configuration why=<.*c.toml:2:.*greet_dealy.*greet_delay.*>",
    );
    assert_eq!(s.mta.connections(), 0);
}

#[test]
fn options_override_the_environment_and_that_the_file() {
    let folder = Folder::fresh();
    let file = folder.file("c.toml");
    fs::write(&file, "[session]\nhostname = \"file.example\"\n[[filter]]\ntype = \"deny\"\nentries = [\"127.0.0.1\"]\n").unwrap();
    for (environment, option, name) in [
        ("", None, "file.example"),
        ("--hostname env.example", None, "env.example"),
        ("--hostname env.example", Some("option.example"), "option.example"),
    ] {
        let (ours, theirs) = common::connection();
        let folder = Folder::fresh();
        let mut command = common::Program::command(&folder.file(""));
        command.env("SMTP_WRAPPER_OPTIONS", environment);
        let mut options = vec!["--config", leaked(&file)];
        options.extend(option.iter().flat_map(|name| ["--hostname", name]));
        let mut s = Session::on(ours, theirs, Script::polite(), folder, command, &options);
        s.plays(&format!("S: 220 {name} ESMTP\nC: QUIT\nS: 221 2.0.0 Bye\nS: (closed)"));
        s.ends(&[0]);
    }
}
