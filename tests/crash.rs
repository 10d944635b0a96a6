//! A panic, as a session has it: the client gets a 421, the log a line, the
//! exit status is 70, and nothing goes to fd 2, which may be the client.
//!
//! The test starts itself again as the process that panics, so that it is the
//! real hook at work and the program needs no way to be made to crash.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use smtp_wrapper::config::{LogTo, Style};
use smtp_wrapper::crash;

use smtp_wrapper::log::line::Line;
use smtp_wrapper::log::{Level, Log};

const LOG: &str = "SMTP_WRAPPER_TEST_CRASH_LOG";

#[test]
fn a_panic_is_a_421_a_line_and_status_70() {
    if let Ok(path) = std::env::var(LOG) {
        let to = (LogTo::SyslogAt(path.leak()), Style::Native);
        crash::install(to);
        let mut log = Log::new(to);
        log.leave_stderr().unwrap();
        panic!("on purpose");
    }
    panics("a_panic_is_a_421_a_line_and_status_70");
}

#[test]
fn in_a_jail_its_line_goes_to_the_log_that_is_connected() {
    if let Ok(path) = std::env::var(LOG) {
        let to = (LogTo::SyslogAt(path.clone().leak()), Style::Native);
        crash::install(to);
        let mut log = Log::new(to);
        log.leave_stderr().unwrap();
        log.line(Level::Info, &mut Line::without_session());
        crash::log_to(log.another());
        // As if it were not to be reached from here.
        std::fs::rename(&path, path.clone() + ".moved").unwrap();
        panic!("on purpose");
    }
    panics("in_a_jail_its_line_goes_to_the_log_that_is_connected");
}

/// Starts this test once more, as the process that panics; sees what comes of it.
#[track_caller]
fn panics(test: &str) {
    let path = std::env::temp_dir().join(format!("smtp-wrapper-{}.{test}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = UnixDatagram::bind(&path).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let fd0 = Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
    let fd2 = Stdio::from(OwnedFd::from(socket));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(LOG, &path)
        .stdin(fd0)
        .stdout(Stdio::null())
        .stderr(fd2)
        .status()
        .unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert_eq!(got, "421 4.3.0 Internal error, try again later\r\n");
    assert_eq!(status.code(), Some(70));
    let line = loop {
        let mut line = [0; 512];
        let length = log.recv(&mut line).unwrap();
        let line = String::from_utf8_lossy(line.get(..length).unwrap()).into_owned();
        if line.contains("session=") {
            break line;
        }
    };
    assert!(
        line.contains(" session=panic end=session.internal file=tests/crash.rs line="),
        "{line}"
    );
    for name in ["", ".moved"] {
        let _ = std::fs::remove_file(format!("{}{name}", path.display()));
    }
}
