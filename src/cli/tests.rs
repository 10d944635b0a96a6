#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::upstream::Upstreams;

fn parsed(line: &str) -> Result<(Invocation, Settings), UsageError> {
    let asked = parse(line.split_whitespace().map(OsString::from), None)?;
    let mut settings = Settings::default();
    asked.apply(&mut settings)?;
    Ok((asked, settings))
}

#[test]
fn options_of_the_original_are_spelled_as_they_were() {
    let (asked, s) = parsed("-sh ::1 -sp 26 -t 1.5 -d 3 -nsc -i 2 -if /a -f /b -ae").unwrap();
    assert_eq!(asked.mode, Mode::Session);
    assert_eq!(s.upstream.to_string(), "[::1]:26");
    assert_eq!(s.time_limit, Some(Duration::from_millis(1500)));
    assert_eq!(s.greet_delay, Duration::from_secs(3));
    assert_eq!((s.original.delay, s.original.talkers_pass), (true, true));
    assert_eq!(s.original.interval, Some(Duration::from_secs(2)));
    assert_eq!((s.original.ip_filter, s.original.contents_filter), (Some("/a"), Some("/b")));
    let (asked, _) = parsed("listen -mh ::1 -mp 26 -q 7 -cm 9 -F").unwrap();
    assert_eq!(asked.listen.on, ["[::1]:26"]);
    assert_eq!((asked.listen.backlog, asked.listen.max), (7, 9));
    assert_eq!(parsed("listen -mh 192.0.2.1").unwrap().0.listen.on, ["192.0.2.1:25"]);
    assert_eq!(parsed("listen -mp 2525").unwrap().0.listen.on, ["2525"]);
}

#[test]
fn a_tool_keeps_the_session_options_for_its_sessions() {
    let (asked, _) =
        parsed("listen --max 3 --log=none 127.0.0.1:25 -t 5 2525 -nsc --config /x").unwrap();
    assert_eq!((asked.mode, asked.listen.max), (Mode::Listen, 3));
    assert_eq!(asked.listen.on, ["127.0.0.1:25", "2525"]);
    let args = ["--log", "none", "-t", "5", "-nsc", "--config", "/x"];
    assert_eq!(asked.session_args, args);
}

#[test]
fn the_environment_is_overridden_by_the_command_line() {
    let environment = Some(OsString::from(" -sp 26  -t 5 "));
    let asked = parse([OsString::from("-t"), OsString::from("6")], environment).unwrap();
    let mut settings = Settings::default();
    asked.apply(&mut settings).unwrap();
    assert_eq!(settings.upstream.to_string(), "127.0.0.1:26");
    assert_eq!(settings.time_limit, Some(Duration::from_secs(6)));
    for (words, says) in [
        ("-sp", "SMTP_WRAPPER_OPTIONS: -sp wants PORT"),
        ("listen", "SMTP_WRAPPER_OPTIONS: \"listen\" comes before"),
        ("--max 3", "SMTP_WRAPPER_OPTIONS: --max is an option of"),
    ] {
        let error = parse([], Some(OsString::from(words))).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn several_mtas_replace_those_of_the_environment() {
    let environment = Some(OsString::from("--upstream a:1 --upstream b:2"));
    let args = ["--upstream", "unix:/c", "--upstream=exec:/d -bs", "--identity", "proxy-v2"];
    for (args, upstreams) in [(&args[..0], "a:1, then b:2"), (&args, "unix:/c, then exec:/d -bs")] {
        let asked = parse(args.iter().map(OsString::from), environment.clone()).unwrap();
        let upstream = Upstreams::read(&["x:1", "y:2"]).unwrap();
        let mut settings = Settings { upstream, ..Settings::default() };
        asked.apply(&mut settings).unwrap();
        assert_eq!(settings.upstream.to_string(), upstreams);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (line, says) in [
        ("--max 3", "--max is an option of `smtp-wrapper listen`"),
        ("--identity me", "--identity \"me\": must be none or xclient or proxy-v1 or proxy-v2"),
        ("-t 5 listen", "\"listen\" comes before the options"),
        ("try 2600", "unknown argument \"2600\": try listens on"),
        ("-sp 0", "-sp \"0\": not a number"),
        ("--upstream a:0", "--upstream \"a:0\": the port must"),
        ("listen --backlog -1", "--backlog \"-1\": not a number"),
        ("foo", "unknown argument \"foo\""),
        ("-t", "-t wants SEC"),
        ("-t 0", "-t \"0\": must be above 0"),
        ("-t nan", "-t \"nan\": must be"),
        ("-d -1", "-d \"-1\": must be 0 to"),
        ("--upstream=x", "--upstream \"x\": "),
        ("-sp 65536", "-sp \"65536\": not a number"),
        ("--log file", "--log \"file\": must be auto"),
        ("--profile new", "--profile \"new\": must be none or original"),
        ("--reject-at data", "--reject-at \"data\": must be rcpt or connect"),
        ("--hostname a/b", "--hostname \"a/b\": must be a host name"),
        ("-if filter", "-if \"filter\": must be a path"),
        ("--state x", "--state \"x\": must be a path"),
        ("compile --all", "unknown argument \"--all\""),
        ("--json", "--json is an option of `smtp-wrapper check`"),
        ("listen --unit /x", "--unit is an option of `smtp-wrapper check`"),
        ("check /x", "unknown argument \"/x\""),
        ("check --unit", "--unit wants FILE"),
        ("check --json=yes", "--json takes no value"),
        ("--live-dns", "--live-dns is an option of `smtp-wrapper replay`"),
        ("replay log --fail-on x", "--fail-on \"x\": must be refused or passed or any or none"),
        ("replay log --into x", "--into is an option of `smtp-wrapper import`"),
        ("import rblsmtpd --all", "unknown argument \"--all\""),
        ("--log none replay", "\"replay\" comes before the options"),
        ("check --max 3", "--max is an option of `smtp-wrapper listen`"),
    ] {
        let error = parsed(line).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(says), "{line}: {error}");
    }
}

#[test]
fn files_and_the_arguments_of_others_are_kept_as_they_are() {
    for (line, files) in [
        ("replay a - --live-dns b", &["a", "-", "b"][..]),
        ("import --into x rblsmtpd -b -r a:b", &["rblsmtpd", "-b", "-r", "a:b"]),
        ("import smtp_wrapper dir --into x", &["smtp_wrapper", "dir"]),
        ("compile a.toml", &["a.toml"]),
    ] {
        assert_eq!(parsed(line).unwrap().0.files, files, "{line}");
    }
    assert!(parsed("replay a --live-dns").unwrap().0.desk().live_dns);
    assert_eq!(parsed("import x --into=y").unwrap().0.desk().into, Some("y"));
}

#[test]
fn help_names_every_option() {
    let help = help();
    for name in options().flat_map(|o| o.names) {
        assert!(help.contains(name), "{name}");
    }
}
