//! What a session has given up by the time its client may speak, and what its programs have
//! left. (What it is refused from inside is tried in src/sandbox/tests.rs.)

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails so")]
#![allow(unsafe_code)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::{Folder, Program, Script, Session, connection};

/// A session on a fresh connection, started as the test has it.
fn session(change: impl FnOnce(&mut Command), options: &[&str]) -> Session {
    session_before(Script::polite(), change, options)
}

/// The same, before this MTA.
fn session_before(script: Script, change: impl FnOnce(&mut Command), options: &[&str]) -> Session {
    let (ours, theirs) = connection();
    let folder = Folder::fresh();
    let mut command = Program::command(&folder.file(""));
    change(&mut command);
    Session::on(ours, theirs, script, folder, command, options)
}

/// A line of /proc/PID/status.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("a line").trim().to_owned()
}

fn limit(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
    line.split_ascii_whitespace().next().expect("a value").to_owned()
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_session_that_is_greeted_is_shut_in() {
    let mut s = session(|_| (), &["--sandbox", "required"]);
    s.greets();
    let pid = s.program.child().id();
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "Seccomp"), "2");
    assert_eq!(limit(pid, "Max core file size"), "0");
    assert_eq!(limit(pid, "Max processes"), "0");
    s.quits();
}

#[test]
fn it_is_not_if_that_is_not_wanted() {
    let mut s = session(|_| (), &["--sandbox", "off"]);
    s.greets();
    let pid = s.program.child().id();
    assert_eq!(status(pid, "NoNewPrivs"), "0");
    assert_eq!(status(pid, "Seccomp"), "0");
    s.quits();
}

#[test]
fn what_the_supervisor_left_open_is_closed() {
    let (ours, theirs) = connection();
    let folder = Folder::fresh();
    let script = "exec 3</etc/passwd 7</etc/passwd 9</etc/group; exec \"$0\" \"$@\"";
    let command = Program::shell(&folder.file(""), script);
    let mut s = Session::on(ours, theirs, Script::polite(), folder, command, &[]);
    s.greets();
    let pid = s.program.child().id();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open: Vec<_> = open.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    assert!(open.iter().all(|path| !path.starts_with("/etc")), "{open:?}");
    s.quits();
}

#[test]
fn a_supervisor_that_allows_less_is_put_up_with() {
    let (ours, theirs) = connection();
    let folder = Folder::fresh();
    let command = Program::shell(&folder.file(""), "ulimit -n 64; exec \"$0\" \"$@\"");
    let options = ["--sandbox", "required"];
    let mut s = Session::on(ours, theirs, Script::polite(), folder, command, &options);
    s.greets();
    let pid = s.program.child().id();
    assert_eq!(limit(pid, "Max processes"), "0");
    s.quits();
}

/// Denies this call as a kernel would that does not know it; but only with flags that
/// it does not know, if it has `flags`.
fn without(
    call: libc::c_long,
    flags: bool,
) -> impl FnMut() -> std::io::Result<()> + Send + Sync + 'static {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt,
        jf,
        k,
    };
    let error = if flags { libc::EINVAL } else { libc::ENOSYS };
    let code = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        jump(call as u32, 0, 2),
        // The second argument.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 24),
        jump(if flags { 0 } else { u32::MAX }, 0, 1),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ALLOW),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ERRNO | error as u32),
    ];
    move || {
        let program = libc::sock_fprog { len: 6, filter: code.as_ptr().cast_mut() };
        // SAFETY: system calls; the kernel reads the program while it lives.
        let outcome = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }
}

#[test]
fn a_kernel_that_knows_less_of_seccomp_is_told_the_rest() {
    let old = |command: &mut Command| {
        // SAFETY: what is called is a system call.
        unsafe { command.pre_exec(without(libc::SYS_seccomp, true)) };
    };
    let mut s = session(old, &["--sandbox", "required"]);
    s.greets();
    assert_eq!(status(s.program.child().id(), "Seccomp_filters"), "2");
    s.quits();
}

#[test]
fn an_older_kernel_is_noted_or_not_put_up_with() {
    let old = |command: &mut Command| {
        // SAFETY: what is called is a system call.
        unsafe { command.pre_exec(without(libc::SYS_landlock_create_ruleset, false)) };
    };
    let mut s = session(old, &[]);
    s.greets();
    let pid = s.program.child().id();
    assert_eq!(status(pid, "Seccomp_filters"), "2");
    s.quits();
    s.logs(1, "session=note why=<sandbox:.*not.*Landlock.*implemented.*>");
    let mut s = session(old, &["--sandbox", "required"]);
    assert!(s.client.line().expect("a reply").starts_with("421 4.3.5 "));
    assert_eq!(s.program.status(), Some(78));
    s.log.stops();
    s.logs(1, "session=none end=session.bad-configuration why=<sandbox:.*cannot.*Landlock.*>");
}

/// What a filter's program tries, and how it tells.
const TRIES: &str = "#!/bin/bash\n\
    try() { if \"${@:2}\" >/dev/null 2>&1; then echo \"$1: done\"; else echo \"$1: failed\"; fi; }\n\
    connect() { exec 5<>/dev/tcp/127.0.0.1/$1; }\n\
    bomb() { for n in 1 2 3; do (exit 0) || return 1; done; }\n\
    make() { echo x >\"$1\"; }\n\
    { try read cat /etc/passwd; try fork bomb; try state make STATE/made; try tmp make /var/tmp/smtp-wrapper-$$;\n\
    rm -f /var/tmp/smtp-wrapper-$$; try written make FREE/made; try elsewhere make ELSEWHERE/made; try etc make /etc/smtp-wrapper-was-here;\n\
    try namespaces unshare -U true; try mount mount -t tmpfs none /mnt; try trace grep -q . /proc/1/environ;\n\
    try elsewhere-by-tcp connect OTHER; try scanner connect SCANNER;\n\
    grep NoNewPrivs /proc/self/status; } >STATE/tried\n\
    exit 0\n";

/// Runs a session whose filter tries all that; gives what came of it.
fn tried(sandbox: &str) -> Vec<String> {
    let (other, scanner) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |of: &TcpListener| of.local_addr().unwrap().port().to_string();
    // Below no directory that programs may write to, and where programs may lie.
    let home = std::env::var_os("HOME").expect("a home");
    let room = Path::new(&home).join(format!("sandbox-{}-{}", std::process::id(), port(&other)));
    let at = |name: &str| room.join(name).display().to_string();
    for name in ["state", "free", "elsewhere"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let text = TRIES.replace("STATE", &at("state")).replace("FREE", &at("free"));
    let text = text.replace("ELSEWHERE", &at("elsewhere"));
    program(
        &room.join("try"),
        &text.replace("OTHER", &port(&other)).replace("SCANNER", &port(&scanner)),
    );
    let config = format!(
        "state = \"{}\"\n[sandbox]\n{}\n[[filter]]\ntype = \"program\"\nat = \"connect\"\nrun = [\"{}\"]\n",
        at("state"),
        sandbox.replace("FREE", &at("free")).replace("SCANNER", &port(&scanner)),
        at("try"),
    );
    fs::write(at("config.toml"), config).unwrap();
    let mut s = session(
        |command| {
            command.env("PATH", "/usr/bin:/bin");
        },
        &["--config", &at("config.toml")],
    );
    assert!(s.asks_for_a_recipient().starts_with("250 "));
    let tried = fs::read_to_string(at("state/tried"))
        .unwrap_or_else(|error| panic!("{error}: {:?}", s.log.lines()));
    fs::remove_dir_all(&room).unwrap();
    tried.lines().map(|line| line.replace('\t', " ")).collect()
}

#[test]
fn a_filters_program_is_inside() {
    let expected = |written: &str, other: &str, scanner: &str| {
        [
            "read: done",
            "fork: done",
            "state: done",
            "tmp: done",
            &format!("written: {written}"),
            "elsewhere: failed",
            "etc: failed",
            "namespaces: failed",
            "mount: failed",
            "trace: failed",
            &format!("elsewhere-by-tcp: {other}"),
            &format!("scanner: {scanner}"),
            "NoNewPrivs: 1",
        ]
        .map(str::to_owned)
        .to_vec()
    };
    assert_eq!(tried(""), expected("failed", "done", "done"));
    let bounds = "write = [\"FREE\"]\nconnect = [\"SCANNER\"]";
    assert_eq!(tried(bounds), expected("done", "failed", "done"));
    let free = tried("mode = \"off\"");
    assert!(free.contains(&"elsewhere: done".to_owned()), "{free:?}");
    assert!(free.contains(&"NoNewPrivs: 0".to_owned()), "{free:?}");
    let _ = fs::remove_file("/etc/smtp-wrapper-was-here");
}

#[test]
fn an_mta_that_is_a_program_is_outside() {
    let folder = Folder::fresh();
    let (mta, told) = (folder.file("mta"), folder.file("told"));
    let text = format!(
        "#!/bin/sh\ngrep -E 'NoNewPrivs|Seccomp:' /proc/self/status >{}\nprintf '220 exec.test\\r\\n'\n\
         while read -r line; do case \"$line\" in QUIT*) printf '221 bye\\r\\n'; exit 0;; *) printf '250 ok\\r\\n';; esac; done\n",
        told.display()
    );
    program(&mta, &text);
    let mut s = session_before(
        Script::absent(),
        |command| {
            command.env("PATH", "/usr/bin:/bin");
        },
        &["--upstream", &format!("exec:{}", mta.display()), "--sandbox", "required"],
    );
    assert_eq!(s.client.line().as_deref(), Some("220 exec.test"));
    let pid = s.program.child().id();
    assert_eq!(status(pid, "Seccomp"), "2");
    s.client.says("QUIT");
    assert_eq!(s.client.line().as_deref(), Some("221 bye"));
    s.ends(&[0]);
    assert_eq!(fs::read_to_string(&told).unwrap(), "NoNewPrivs:\t0\nSeccomp:\t0\n");
}
