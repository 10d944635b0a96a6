//! `smtp-wrapper check`, the real binary, against MTAs that are as they should be and MTAs that are not.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::dns::{self, NameServer};
use common::{Act, Folder, Mta, Script, Session, Transcript, lines};

const BINARY: &str = env!("CARGO_BIN_EXE_smtp-wrapper");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a run of it printed, and its exit status.
struct Found {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Found {
    /// Expects a line of this severity with this in it.
    #[track_caller]
    fn says(&self, severity: &str, what: &str) -> &Found {
        let found = self
            .out
            .lines()
            .any(|line| line.starts_with(&format!("{severity} ")) && line.contains(what));
        assert!(found, "no {severity} {what:?} in\n{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn ends(&self, status: i32) -> &Found {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }
}

/// Runs it, with these arguments and no environment.
#[track_caller]
fn run(args: &[&str]) -> Found {
    // It has a limit for every wait of its own; this one fails the test.
    let mut command = Command::new("timeout");
    command.args(["20", BINARY]).args(args).env_clear().stdin(Stdio::null());
    let output =
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    Found { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Checks an MTA that follows the script; also gives what it heard.
#[track_caller]
fn check(script: Script, options: &[&str]) -> (Found, Mta) {
    let mta = Mta::follows(script, &Transcript::new());
    let address = mta.address().to_string();
    let has = |name: &str| options.contains(&name);
    let config = if has("--config") { &[][..] } else { &["--config", "none"] };
    let common = ["check", "--upstream", &address, "--hostname", "mx.example", "--log", "none"];
    let found = run(&[&common, config, options].concat());
    (found, mta)
}

/// A configuration in a folder of its own.
fn config(text: &str) -> (Folder, PathBuf) {
    let folder = Folder::fresh();
    let path = folder.file("c.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    (folder, path)
}

fn checked_with(text: &str, script: Script) -> (Found, Folder) {
    let (folder, path) = config(text);
    (check(script, &["--config", path.to_str().unwrap()]).0, folder)
}

const DENIED: &str = "554 5.7.1 Relay access denied";
/// An MTA that relays for nobody.
fn refusing() -> Script {
    Script::polite().on("RCPT TO:<probe", DENIED)
}

const RELAY: &str = "[[filter]]\ntype = \"relay\"\ndomains = [\"example.org\"]\n";

#[test]
fn an_open_relay_is_an_error_unless_something_guards_it() {
    let (found, mta) = check(Script::polite(), &[]);
    found.ends(1).says("error", "OPEN RELAY: the MTA relays for this host");
    let heard = String::from_utf8(mta.heard().octets).unwrap();
    assert_eq!(
        heard,
        "EHLO mx.example\r\nMAIL FROM:<postmaster@mx.example>\r\n\
         RCPT TO:<probe@relay-test.invalid>\r\nRSET\r\nQUIT\r\n"
    );
    let (found, _) = check(refusing(), &[]);
    found.ends(0).says("ok", "does not relay for strangers (554 5.7.1 Relay access denied)");
    checked_with(RELAY, Script::polite()).0.ends(0).says("ok", "the filter relay is before it");
    for (more, severity, what) in [
        ("observe = true\n", "error", "OPEN RELAY"),
        ("only = [\"192.0.2.0/24\"]\n", "error", "OPEN RELAY"),
        ("on_hit = \"tarpit\"\nthen = \"pass\"\n", "error", "OPEN RELAY"),
        ("except = [\"192.0.2.0/24\"]\n", "warning", "the filter relay has exceptions"),
    ] {
        let (found, _folder) = checked_with(&format!("{RELAY}{more}"), Script::polite());
        found.says(severity, what);
    }
    let (found, _) = check(Script::polite(), &["-f", "/bin/true"]);
    found.ends(0).says("warning", "only a program that is asked about messages");
}

#[test]
fn what_stays_open_is_said_to() {
    for (script, why) in [
        (
            Script::polite().on("RCPT", "451 4.7.1 Greylisted"),
            "RCPT is answered 451 4.7.1 Greylisted",
        ),
        (Script::polite().on("RCPT TO:<probe", "550 5.1.2 no such domain"), "is about the domain"),
        (Script::polite().on("RCPT", "421 4.7.0 no"), "RCPT is answered 421"),
        (Script::polite().on("MAIL", "550 5.7.1 no"), "MAIL is answered 550"),
    ] {
        let (found, _) = check(script, &[]);
        found.ends(0).says("note", "stays open").says("note", why);
    }
    // What it has against the client is no answer.
    let script = Script::polite().on("RCPT", "554 5.7.1 Client host rejected");
    check(script, &[]).0.ends(0).says("note", "postmaster likewise: it is not the recipient");
    let script = Script::polite().on("RCPT", "550 5.1.1 no").on("RCPT TO:<probe", DENIED);
    check(script, &[]).0.ends(0).says("ok", "does not relay for strangers");
    // Our name may be one that no mail comes from; the null reverse-path is taken everywhere.
    let script = Script::polite().on("MAIL FROM:<p", "550 5.1.8 who?").on("RCPT TO:<probe", DENIED);
    check(script, &[]).0.ends(0).says("ok", "does not relay for strangers");
}

#[test]
fn an_mta_that_does_not_work_is_an_error() {
    for (script, what) in [
        (Script::absent(), "cannot be reached"),
        (
            Script::polite().on("(greeting)", "554 5.3.2 not today"),
            "greets with 554 5.3.2 not today",
        ),
        (Script::polite().on("(greeting)", "421 4.3.2 later"), "greets with 421"),
        (
            Script::polite().on("(greeting)", Act::Close),
            "after the connection: it closed the connection",
        ),
        (Script::polite().on("(greeting)", Act::Reset), "it closed the connection"),
        (Script::polite().on("(greeting)", "SSH-2.0-x"), "no reply of SMTP: SSH-2.0-x"),
        (
            Script::polite().on("(greeting)", Act::Say(b"220 a\n".to_vec())),
            "no reply of SMTP: 220 a\\x0a",
        ),
        (Script::polite().on("(greeting)", "220 a\n220 b"), "spoke before it was asked: 220 b"),
        (
            Script::polite().on("EHLO", "502 5.5.1 old"),
            "does not take our EHLO: EHLO is answered 502",
        ),
        (
            Script::polite().on("RCPT", Act::Close),
            "after RCPT TO:<probe@relay-test.invalid>: it closed",
        ),
        (Script::polite().on("RCPT", "250-a\n251 b"), "no reply of SMTP: 251 b"),
    ] {
        check(script, &[]).0.ends(1).says("error", what);
    }
}

#[test]
fn whatever_the_mta_does_there_is_an_end() {
    let piece = |text: &str| Act::Slowly(Duration::from_millis(300), lines(text));
    for (script, what) in [
        (
            Script::polite().on("(greeting)", Act::Silence),
            "it said nothing (complete) in 1 seconds",
        ),
        (Script::polite().on("EHLO", Act::Silence), "after EHLO mx.example: it said nothing"),
        (Script::polite().on("EHLO", Act::Deaf), "after EHLO mx.example: it said nothing"),
        (
            Script::polite().on("(greeting)", piece("220 mta.test ESMTP")),
            "it said nothing (complete)",
        ),
        (
            Script::polite().on("EHLO", Act::Endless(b"250-x\r\n".to_vec())),
            "no reply of SMTP: 250-x",
        ),
        (Script::polite().on("EHLO", Act::Endless(b"x".to_vec())), "no reply of SMTP: xxx"),
        (
            Script::polite().on("EHLO", Act::Endless(b"250 x\r\n".to_vec())),
            "spoke before it was asked",
        ),
        (Script::polite().on("QUIT", Act::Silence), "OPEN RELAY"),
    ] {
        let began = Instant::now();
        check(script, &["-t", "1"]).0.ends(1).says("error", what);
        assert!(began.elapsed() < Duration::from_secs(6), "{what}: {:?}", began.elapsed());
    }
}

#[test]
fn what_comes_from_outside_is_printable() {
    let script = || {
        Script::polite()
            .on("(greeting)", Act::Say(b"220 a\x1b[31m \xe2\x80\xae\"\\ b\r\n".to_vec()))
            .on("EHLO", Act::Say(b"250-x\r\n250 KEY\x1b\x9b\r\n".to_vec()))
    };
    for json in [&[][..], &["--json"]] {
        let found = check(script(), json).0;
        let clean = found.out.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n'));
        assert!(clean && found.out.contains("a?[31m"), "{}", found.out.escape_debug());
    }
}

#[test]
fn keywords_that_clients_see_and_those_they_do_not() {
    let offer = "250-mta.test\n250-SIZE 1\n250-STARTTLS\n250-CHUNKING\n250 PIPELINING";
    let (found, _) = check(Script::polite().on("EHLO", offer).on("RCPT TO:<probe", DENIED), &[]);
    found
        .ends(0)
        .says("ok", "clients see SIZE, PIPELINING; not STARTTLS, CHUNKING")
        .says("note", "the MTA offers STARTTLS, which clients do not see");
}

#[test]
fn xclient_has_to_be_offered_and_done() {
    let offers = || {
        Script::polite()
            .on("EHLO", "250-mta.test\n250 XCLIENT NAME ADDR")
            .on("RCPT TO:<probe", DENIED)
    };
    let xclient = ["--identity", "xclient", "--dns", "127.0.0.1:1"];
    let (found, mta) = check(offers().on("XCLIENT", "220 mta.test knows you"), &xclient);
    // The name server is none; the MTA is as it should be.
    found.says("ok", "XCLIENT is done, the client 192.0.2.1 is greeted: 220 mta.test knows you");
    found.says("ok", "does not relay for strangers").says("error", "127.0.0.1:1: the name server");
    assert_eq!(mta.connections(), 2, "once as a stranger, once as ourselves");
    for (script, severity, what) in [
        (Script::polite(), "error", "XCLIENT is not offered"),
        (Script::polite().on("EHLO", "250-x\n250 XCLIENT NAME"), "error", "offered without ADDR"),
        (offers().on("XCLIENT", "550 5.7.0 not you"), "error", "XCLIENT is answered 550"),
        (
            offers().on("XCLIENT", "554 5.7.1 listed"),
            "note",
            "refuses the client 192.0.2.1 at once",
        ),
        (
            offers().on("XCLIENT", "220 x").on("RCPT", "250 2.1.5 ok"),
            "error",
            "OPEN RELAY: the MTA relays for the client 192.0.2.1",
        ),
        (
            offers().on("XCLIENT", "220 x").on("RCPT", "250 ok").once("RCPT TO:<probe", DENIED),
            "note",
            "without XCLIENT, from this host itself, the MTA relays (250 ok)",
        ),
    ] {
        check(script, &xclient).0.says(severity, what);
    }
}

#[test]
fn a_proxy_header_has_to_be_taken_and_should_be_required() {
    let wants = |text: &str| refusing().on("(greeting)", Act::Say(Vec::new())).on("PROXY", text);
    let v1 = ["--identity", "proxy-v1"];
    let (found, _) = check(wants("220 mta.test ESMTP"), &v1);
    found.ends(0).says("ok", "does not work without a PROXY header").says("ok", "does not relay");
    let (found, _) =
        check(Script::polite().on("PROXY", Act::Say(Vec::new())).on("RCPT TO:<probe", DENIED), &v1);
    found.ends(0).says("warning", "works without a PROXY header too");
    check(Script::polite(), &v1).0.ends(1).says("error", "does not take the PROXY header");
    let (found, _) = check(Script::polite(), &["--identity", "proxy-v2"]);
    found.ends(1).says("error", "does not take the PROXY header");
}

#[test]
fn an_mta_that_is_a_program_is_run() {
    let folder = Folder::fresh();
    let program = folder.file("mta.sh");
    let text = "#!/bin/sh\necho told $TCPREMOTEIP >&2\nprintf '220 x\\r\\n'\nwhile read -r line; do\n\
                case $line in QUIT*) printf '221 x\\r\\n'; exit;; *) printf '250 x\\r\\n';; esac\ndone\n";
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let upstream = format!("exec:{}", program.display());
    let found = run(&["check", "--config", "none", "--log", "none", "--upstream", &upstream]);
    found
        .ends(1)
        .says("error", "OPEN RELAY: the MTA relays for what it takes for a local user")
        .says("note", "wrote to standard error: told 192.0.2.1");
    // One that goes nowhere, with somebody left who holds its connection.
    fs::write(&program, "#!/bin/sh\nsleep 30 &\n").unwrap();
    let began = Instant::now();
    let found =
        run(&["check", "--config", "none", "--log", "none", "-t", "2", "--upstream", &upstream]);
    found.ends(1).says("error", &upstream);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_broken_configuration_is_told_with_its_line() {
    let (folder, path) = config("\n[session]\ngreet_dealy = \"5s\"\n");
    let path = path.to_str().unwrap();
    let found = run(&["check", "--config", path]);
    found.ends(1).says("error", &format!("{path}:3: unknown key \"greet_dealy\""));
    found.says("note", "were not looked at");
    let missing = folder.file("none.toml");
    run(&["check", "--config", missing.to_str().unwrap()]).ends(1).says("error", "no such file");
    run(&["check", "--log", "file"]).ends(78);
    run(&["check", "--nonsense"]).ends(78);
    run(&["check", "--unit"]).ends(78);
}

#[test]
fn who_may_write_the_configuration_may_run_programs() {
    let (folder, path) = config("");
    let name = path.to_str().unwrap();
    check(refusing(), &["--config", name]).0.ends(0).says("note", "has no compiled form");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "may be written by others");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.file(""), fs::Permissions::from_mode(0o777)).unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "may be replaced by others");
}

#[test]
fn compiled_forms_that_are_stale_and_lists_that_are_odd() {
    let text = "[[filter]]\ntype = \"allow\"\nlists = [\"a.list\"]\n";
    let (folder, path) = config(text);
    let name = path.to_str().unwrap();
    let list = folder.file("a.list");
    let head = "# as of 2001-01-01\n192.0.2.0/24\n192.0.2.1\n.org\n0.0.0.0/0\n";
    fs::write(&list, head).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found
        .ends(0)
        .says("warning", "a.list:3: never counts: line 2 has it already")
        .says("warning", "a.list:4: \".org\" is very broad")
        .says("warning", "a.list:5: \"0.0.0.0/0\" is very broad")
        .says("warning", "days old by its own word")
        .says("ok", "a.list: the list is read: 4 entries");
    assert!(run(&["compile", "--config", name]).status == Some(0));
    check(refusing(), &["--config", name]).0.says("ok", "c.toml.compiled: is of the configuration");
    let many: String = (0..400).map(|n| format!("192.0.{}.{}\n", n / 256, n % 256)).collect();
    fs::write(&list, &many).unwrap();
    fs::write(&path, format!("{text}\n")).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found
        .says("warning", "a.list.compiled is not of this text")
        .says("note", "c.toml.compiled is not");
    fs::remove_file(folder.file("a.list.compiled")).unwrap();
    check(refusing(), &["--config", name]).0.says("warning", "400 entries, and no compiled form");
    let shadowed: String = (0..30).map(|_| "192.0.2.1\n").collect();
    fs::write(&list, shadowed).unwrap();
    let (found, _) = check(refusing(), &["--config", name]);
    found.says("warning", "19 more entries like these");
    fs::write(&list, "192.0.2.0/33\n").unwrap();
    check(refusing(), &["--config", name]).0.ends(1).says("error", "a.list:1: ");
}

#[test]
fn programs_have_to_be_there_and_nobody_elses() {
    let folder = Folder::fresh();
    let program = folder.file("filter.sh");
    let path = program.to_str().unwrap();
    let filter =
        |at: &str| format!("[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"{at}\"]\n");
    let (found, _folder) = checked_with(&filter(path), refusing());
    found.ends(1).says("error", &format!("c.toml:1: program {path}: No such file"));
    for (text, mode, what) in [
        ("#!/bin/sh\n", 0o644, "may not be executed"),
        ("#!/bin/sh\n", 0o757, "may be written by others"),
        ("#!/nonexistent/sh\n", 0o755, "its first line names what is not there: /nonexistent/sh"),
        ("#!/bin/sh\r\n", 0o755, "its first line ends in CR"),
        ("#!", 0o755, "its first line names what is not there"),
    ] {
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        checked_with(&filter(path), refusing()).0.ends(1).says("error", what);
    }
    checked_with(&filter("/bin/sh"), refusing()).0.ends(0).says("ok", "program /bin/sh is there");
    check(refusing(), &["-if", path]).0.ends(1).says("error", "option -if: ");
}

#[test]
fn name_servers_are_asked() {
    let server = NameServer::new().host("127.0.0.1", "localhost");
    let at = server.address().to_string();
    let fcrdns = "[[filter]]\ntype = \"fcrdns\"\n";
    let (folder, path) = config(fcrdns);
    let with =
        |server: &str| check(refusing(), &["--config", path.to_str().unwrap(), "--dns", server]).0;
    with(&at).ends(0).says("ok", "the name server answers: the name of 127.0.0.1 in ");
    let reverse = "1.0.0.127.in-addr.arpa";
    for (does, what) in [
        (dns::Does::Code(2), "servfail for the name of 127.0.0.1"),
        (dns::Does::Code(5), "refused for the name of 127.0.0.1"),
        (dns::Does::Silence, "timeout for the name of 127.0.0.1"),
    ] {
        let server = NameServer::new().knows(reverse, does);
        with(&server.address().to_string()).ends(1).says("error", what);
    }
    check(refusing(), &[]).0.says("note", "no filter needs host names");
    drop(folder);
}

#[test]
fn the_state_directory_and_syslog() {
    let folder = Folder::fresh();
    let state = folder.file("state");
    let state = state.to_str().unwrap();
    check(refusing(), &["--state", state]).0.ends(0).says("note", "no filter that needs it");
    check(refusing(), &["--state", state, "-i", "5"])
        .0
        .ends(0)
        .says("warning", "the state directory: ");
    fs::write(state, "").unwrap();
    check(refusing(), &["--state", state]).0.ends(1).says("error", "the state directory is none");
    fs::remove_file(state).unwrap();
    fs::create_dir(state).unwrap();
    check(refusing(), &["--state", state, "-i", "5"])
        .0
        .ends(0)
        .says("ok", "the state directory is there");
    fs::set_permissions(state, fs::Permissions::from_mode(0o777)).unwrap();
    check(refusing(), &["--state", state]).0.says("warning", "can be forged");
    let log = common::Syslog::at(folder.file("log"));
    let to = format!("syslog:{}", log.path().display());
    check(refusing(), &["--log", &to]).0.ends(0).says("ok", "syslogd is there");
    log.stops();
    assert_eq!(log.lines(), Vec::<String>::new(), "nothing is logged");
    check(refusing(), &["--log", "syslog:/nonexistent"]).0.ends(1).says("error", "no syslogd");
}

/// The samples of the project, with the program's path as it is here.
fn samples(folder: &Folder) -> Vec<PathBuf> {
    let mut samples = Vec::new();
    for from in ["systemd", "inetd"] {
        for file in fs::read_dir(Path::new(ROOT).join(from)).unwrap() {
            let path = file.unwrap().path();
            let mut text = fs::read_to_string(&path).unwrap();
            for place in ["/usr/sbin/", "/usr/local/sbin/", "/usr/pkg/sbin/"] {
                text = text.replace(&format!("{place}smtp-wrapper"), BINARY);
            }
            let copy = folder.file(path.file_name().unwrap().to_str().unwrap());
            fs::write(&copy, text).unwrap();
            samples.push(copy);
        }
    }
    samples.sort();
    samples
}

#[test]
fn the_samples_of_the_project_are_as_they_should_be() {
    let folder = Folder::fresh();
    let samples = samples(&folder);
    let mut options = Vec::new();
    for path in samples.iter().map(|path| path.to_str().unwrap()) {
        if path.ends_with(".socket") || path.ends_with(".service") {
            options.extend(["--unit", path]);
        } else if path.contains("inetd.") {
            options.extend(["--inetd", path]);
        }
    }
    assert_eq!(options.len(), 2 * 10, "{options:?}");
    let (found, _) = check(refusing(), &options);
    found.ends(0);
    for line in found.out.lines().filter(|line| line.starts_with("warning")) {
        assert!(line.contains("is not in /etc/passwd"), "{line}");
    }
}

#[test]
fn broken_units_and_lines_of_inetd_fail() {
    let folder = Folder::fresh();
    let unit = folder.file("smtp-wrapper@.service");
    let fine = fs::read_to_string(Path::new(ROOT).join("systemd/smtp-wrapper@.service")).unwrap();
    let fine = fine.replace("/usr/sbin/smtp-wrapper", BINARY);
    for (from, to, severity, what) in [
        (
            BINARY.to_owned(),
            "/nonexistent/smtp-wrapper".to_owned(),
            "error",
            "there is no such program",
        ),
        (
            BINARY.to_owned(),
            format!("{BINARY} --nonsense"),
            "error",
            "unknown argument \"--nonsense\"",
        ),
        (BINARY.to_owned(), format!("{BINARY} -t 0"), "error", "-t \"0\": must be above 0"),
        (BINARY.to_owned(), format!("{BINARY} try"), "error", "neither a session nor listen"),
        (BINARY.to_owned(), format!("-@{BINARY} x '-t' 5"), "note", "options of their own: -t 5"),
        ("ExecStart=".to_owned(), "ExecStop=".to_owned(), "error", "has no ExecStart="),
        (
            "StandardInput=socket".to_owned(),
            "StandardInput=null".to_owned(),
            "error",
            "a session has its client",
        ),
        ("StandardError=journal".to_owned(), String::new(), "warning", "no StandardError="),
        ("User=smtp-wrapper".to_owned(), String::new(), "warning", "sessions run as root"),
        ("CollectMode".to_owned(), "Collect".to_owned(), "warning", "stays in systemd's memory"),
    ] {
        fs::write(&unit, fine.replace(&from, &to)).unwrap();
        let (found, _) = check(refusing(), &["--unit", unit.to_str().unwrap()]);
        found.ends(i32::from(severity == "error")).says(severity, what);
    }
    let plain = folder.file("smtp-wrapper.service");
    fs::write(&plain, &fine).unwrap();
    check(refusing(), &["--unit", plain.to_str().unwrap()])
        .0
        .ends(1)
        .says("error", "is no template");
    let socket = folder.file("smtp-wrapper.socket");
    fs::write(&socket, "[Socket]\nListenStream=25\nAccept=yes\n").unwrap();
    let (found, _) = check(refusing(), &["--unit", socket.to_str().unwrap()]);
    found
        .says("warning", "no MaxConnections=")
        .says("warning", "one client can take every connection")
        .says("warning", "TriggerLimitBurst=");
    let file = folder.file("inetd.conf");
    let path = file.to_str().unwrap();
    check(refusing(), &["--inetd", path]).0.ends(1).says("error", "no such file");
    for (line, severity, what) in [
        (format!("smtp stream tcp nowait.9 nobody {BINARY}"), "error", "stands once"),
        (format!("smtp stream tcp nowait.9 nobody {BINARY} -t 5"), "error", "-t stands where"),
        (
            format!("smtp stream tcp nowait.9 nobody {BINARY} x --nonsense"),
            "error",
            "unknown argument",
        ),
        (
            format!("smtp stream tcp nowait.9 nobody {BINARY} x listen"),
            "error",
            "starts no session",
        ),
        (format!("smtp stream tcp wait nobody {BINARY} x"), "error", "inetd has to accept"),
        (format!("smtp dgram udp nowait.9 nobody {BINARY} x"), "error", "wants stream tcp"),
        (
            format!("smtp stream tcp nowait nobody {BINARY} x"),
            "warning",
            "switches the service off",
        ),
        (format!("smtp stream tcp nowait.9 root {BINARY} x"), "warning", "run as root"),
        (
            format!("smtp stream tcp nowait.9 nosuchuser {BINARY} x"),
            "warning",
            "not in /etc/passwd",
        ),
        ("smtp stream tcp".to_owned(), "error", "too few fields"),
        (
            "smtp stream tcp nowait.9 nobody /nonexistent/smtp-wrapper x".to_owned(),
            "error",
            "no such program",
        ),
        ("ftp stream tcp nowait root /usr/sbin/ftpd ftpd".to_owned(), "error", "no line for smtp"),
    ] {
        fs::write(&file, format!("# a comment\n{line}\n")).unwrap();
        let (found, _) = check(refusing(), &["--inetd", path]);
        found.ends(i32::from(severity == "error")).says(severity, what);
    }
}

/// Reads an array of objects of strings, and nothing else; what is not one is a failure.
fn parse(json: &str) -> Vec<Vec<(String, String)>> {
    fn string<'a>(rest: &'a str, text: &mut String) -> &'a str {
        let mut chars = rest.strip_prefix('"').expect("a string").chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => return chars.as_str().trim_start(),
                '\\' => match chars.next().expect("an escape") {
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        text.extend(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()));
                    }
                    c @ ('"' | '\\') => text.push(c),
                    c => panic!("escape {c:?}"),
                },
                c => {
                    assert!(c >= ' ', "a control character");
                    text.push(c);
                }
            }
        }
        panic!("a string without an end")
    }
    let mut objects = Vec::new();
    let mut rest =
        json.trim().strip_prefix('[').and_then(|json| json.strip_suffix(']')).unwrap().trim();
    while !rest.is_empty() {
        let mut object = Vec::new();
        rest = rest.strip_prefix('{').expect("an object");
        loop {
            let (mut key, mut value) = (String::new(), String::new());
            rest = string(rest.trim_start(), &mut key)
                .strip_prefix(':')
                .expect("a colon")
                .trim_start();
            rest = string(rest, &mut value);
            object.push((key, value));
            match rest.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => break rest = more.trim_start(),
                _ => panic!("behind a value: {rest}"),
            }
        }
        objects.push(object);
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None => rest,
        };
    }
    objects
}

#[test]
fn json_is_one_document() {
    let script = Script::polite().on("(greeting)", "220 \"quoted\" \\ back");
    let (found, _) = check(script, &["--json"]);
    found.ends(1);
    let objects = parse(&found.out);
    let value = |object: &Vec<(String, String)>, key: &str| {
        object.iter().find(|(name, _)| name == key).expect("the key").1.clone()
    };
    for object in &objects {
        let keys: Vec<&str> = object.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["severity", "place", "what", "remedy"]);
        assert!(["error", "warning", "note", "ok"].contains(&value(object, "severity").as_str()));
    }
    let relay = objects.iter().find(|object| value(object, "what").starts_with("OPEN RELAY"));
    assert_eq!(value(relay.expect("the finding"), "severity"), "error");
    let greeting = objects.iter().any(|o| value(o, "what").contains("220 \"quoted\" \\x5c back"));
    assert!(greeting, "{}", found.out);
    // A broken configuration is a document too.
    let (_folder, path) = config("x");
    let found = run(&["check", "--json", "--config", path.to_str().unwrap()]);
    found.ends(1);
    assert!(parse(&found.out).iter().any(|object| value(object, "place").ends_with("c.toml:1")));
}

/// A session with a stranger, whom a balancer introduces, and how often its log says that nothing guards the MTA.
fn notes(state: &Path, more: &str, options: &[&str]) -> usize {
    let (_folder, path) = config(&format!(
        "state = \"{}\"\n[session]\nproxy_from = [\"127.0.0.0/8\"]\n{more}",
        state.display()
    ));
    notes_with(&path, b"PROXY TCP4 192.0.2.7 198.51.100.9 4000 25\r\n", options)
}

fn notes_with(path: &Path, header: &[u8], options: &[&str]) -> usize {
    let script = Script::polite().on("PROXY", Act::Say(Vec::new()));
    let options = [&["--config", path.to_str().unwrap()], options].concat();
    let mut s = Session::with_options(script, &options);
    s.client.sends(header);
    s.opens_a_message();
    s.plays("C: text\nC: .\nS: 250 2.0.0 queued");
    s.quits();
    s.logged("session=note why=.neither.*guards.*check.*").len()
}

#[test]
fn a_session_that_nothing_guards_says_so_once() {
    let folder = Folder::fresh();
    let state = folder.file("");
    // Another file, or another MTA, is another configuration: each session here has a port of its own.
    assert_eq!(notes(&state, "", &[]), 1);
    assert_eq!(notes(&state, "", &["--identity", "proxy-v1"]), 0, "the MTA knows who it is");
    let relay = RELAY.replace("example.org", "mta.test");
    assert_eq!(notes(&state, &relay, &[]), 0, "the filter relay");
    assert_eq!(notes(&state, &format!("{relay}observe = true\n"), &[]), 1, "it only observes");
    assert_eq!(notes(&folder.file("none"), "", &[]), 0, "nothing can be remembered");
    let (_folder, path) = config(&format!(
        "state = \"{}\"\n[session]\nproxy_from = [\"127.0.0.0/8\"]\n",
        state.display()
    ));
    assert_eq!(notes_with(&path, b"PROXY UNKNOWN\r\n", &[]), 0, "the client is of this host");
}

#[test]
fn it_is_told_of_each_configuration_once() {
    use smtp_wrapper::state::told::first_of;
    let folder = Folder::fresh();
    let state = folder.file("");
    let told: Vec<bool> = [1, 1, 2, 2, 1].map(|n| first_of(&state, n).unwrap()).to_vec();
    assert_eq!(told, [true, false, true, false, true]);
    assert_eq!(fs::metadata(folder.file("unguarded")).unwrap().len(), 8);
    assert!(first_of(&folder.file("none"), 1).is_err());
}
