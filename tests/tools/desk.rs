//! What the tests of `listen` and `try` stand on: the running tool, clients from chosen addresses, and a small MTA.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_smtp-wrapper");

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something to come true.
#[track_caller]
pub(crate) fn until(what: &str, mut come: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !come() {
        assert!(Instant::now() < end, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A running tool and all that it has printed.
pub(crate) struct Tool {
    pub(crate) child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Tool {
    pub(crate) fn starts(args: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(args);
        Self::runs(command)
    }

    /// Through a shell, which ends in `exec "$0" "$@"`.
    pub(crate) fn shell(script: &str, args: &[&str], stdin: Stdio, stdout: Option<Stdio>) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, BINARY]).args(args).stdin(stdin);
        Self::spawns(command, stdout)
    }

    pub(crate) fn runs(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawns(command, None)
    }

    fn spawns(mut command: Command, stdout: Option<Stdio>) -> Self {
        command.stdout(stdout.unwrap_or_else(Stdio::piped)).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let err = collect(child.stderr.take().expect("a pipe"));
        let out = child.stdout.take().map(collect).unwrap_or_default();
        Self { child, out, err }
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.lock().unwrap().clone()).expect("UTF-8")
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.err.lock().unwrap().clone()).expect("UTF-8")
    }

    /// The port after `mark` in what is printed.
    #[track_caller]
    pub(crate) fn port(&self, mark: &str) -> u16 {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.out() + &self.err();
            let digits =
                text.split_once(mark).map(|(_, t)| t.split(|c: char| !c.is_ascii_digit()).next());
            // Only when something follows are the digits all there.
            if let Some(Some(digits)) =
                digits.filter(|_| text.contains(", relaying") || text.contains("in one of"))
            {
                return digits.parse().expect("a port");
            }
            assert!(Instant::now() < end, "no {mark:?} in: {text}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The port `listen` got on 127.0.0.1.
    #[track_caller]
    pub(crate) fn listens(&self) -> u16 {
        self.port("listening on 127.0.0.1:")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal to our child");
    }

    /// Its exit status.
    #[track_caller]
    pub(crate) fn status(&mut self) -> Option<i32> {
        let mut status = None;
        until("the end of the program", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        // The reader of fd 2 may be a moment behind.
        thread::sleep(Duration::from_millis(50));
        status.and_then(|s| s.code())
    }

    /// Its children: process id and state, `Z` being one that nobody has reaped.
    pub(crate) fn children(&self) -> Vec<(i32, String)> {
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let Some((_, rest)) = stat.rsplit_once(')') else {
                continue;
            };
            let fields: Vec<&str> = rest.split_whitespace().collect();
            if fields[1] == self.child.id().to_string() {
                let pid = entry.file_name().to_string_lossy().parse().expect("a process id");
                children.push((pid, fields[0].to_owned()));
            }
        }
        children
    }

    /// Processor time so far, in ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .expect("a running program");
        let (_, rest) = stat.rsplit_once(')').expect("a name");
        rest.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().expect("ticks")).sum()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::<Mutex<Vec<u8>>>::default();
    let to = Arc::clone(&all);
    thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut block) {
            to.lock().unwrap().extend_from_slice(&block[..n]);
        }
    });
    all
}

/// A client, and what it hears.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// From 127.0.0.`from`.
    #[track_caller]
    pub(crate) fn calls(from: u8, port: u16) -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::from(([127, 0, 0, from], 0))).expect("an address of loopback");
        connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Self(BufReader::new(stream))
    }

    pub(crate) fn says(&mut self, octets: &[u8]) {
        self.0.get_mut().write_all(octets).expect("somebody listens");
    }

    /// The last line of a reply; empty at the end of the connection.
    #[track_caller]
    pub(crate) fn hears(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line, or a proper end");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends a message; every reply must be a good one.
    #[track_caller]
    pub(crate) fn sends(&mut self, message: &[u8]) {
        let data = [message, b"\r\n.\r\n"].concat();
        assert!(self.hears().starts_with("220 "));
        for said in [
            &b"EHLO x\r\n"[..],
            b"MAIL FROM:<a@x>\r\n",
            b"RCPT TO:<b@y>\r\n",
            b"DATA\r\n",
            &data,
            b"QUIT\r\n",
        ] {
            self.says(said);
            let reply = self.hears();
            assert!(reply.starts_with(['2', '3']), "{} -> {reply:?}", said.escape_ascii());
        }
        assert_eq!(self.hears(), "");
    }

    /// The greeting of a session; `None` for a 421 and the end.
    #[track_caller]
    pub(crate) fn greeted(mut self) -> Option<Self> {
        let line = self.hears();
        if line.starts_with("220 ") {
            return Some(self);
        }
        assert!(line.starts_with("421 4."), "{line:?}");
        assert_eq!(self.hears(), "", "nothing after a 421");
        None
    }
}

/// An MTA that takes every message; its address and what it took.
pub(crate) fn mta() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (give, take) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let give = give.clone();
            thread::spawn(move || {
                let _ = answers(&stream, |message| drop(give.send(message)));
            });
        }
    });
    (address, take)
}

fn answers(mut stream: &TcpStream, give: impl Fn(Vec<u8>)) -> std::io::Result<()> {
    stream.write_all(b"220 mta.test\r\n")?;
    let mut input = BufReader::new(stream);
    let mut message: Option<Vec<u8>> = None;
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match (&mut message, line.to_ascii_uppercase().as_slice()) {
            (Some(_), b".\r\n") => {
                give(message.take().unwrap_or_default());
                b"250 2.0.0 taken\r\n"
            }
            (Some(message), _) => {
                message.extend_from_slice(&line);
                continue;
            }
            (None, b"DATA\r\n") => {
                message = Some(Vec::new());
                b"354 go ahead\r\n"
            }
            (None, b"QUIT\r\n") => b"221 2.0.0 bye\r\n",
            _ => b"250 2.0.0 ok\r\n",
        };
        stream.write_all(reply)?;
        if reply.starts_with(b"221") {
            return Ok(());
        }
    }
}
