//! One session: a client, the program and an MTA.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Client, Folder, Heard, Mta, Program, Script, Syslog, Transcript, lines, matches};

/// The three parties and the log.
pub struct Session {
    pub client: Client,
    pub program: Program,
    pub mta: Mta,
    pub log: Syslog,
    pub transcript: Transcript,
    began: Instant,
    folder: Folder,
}

impl Session {
    /// With an MTA that takes everything.
    #[track_caller]
    pub fn starts() -> Self {
        Self::with(Script::polite())
    }

    /// With an MTA that follows a script.
    #[track_caller]
    pub fn with(script: Script) -> Self {
        Self::with_options(script, &[])
    }

    /// With options for the program.
    #[track_caller]
    pub fn with_options(script: Script, options: &[&str]) -> Self {
        let (ours, theirs) = connection();
        let folder = Folder::fresh();
        let command = Program::command(&folder.file(""));
        Self::on(ours, theirs, script, folder, command, options)
    }

    /// On a connection and with a command of the test's own.
    #[track_caller]
    pub fn on(
        ours: TcpStream,
        theirs: TcpStream,
        script: Script,
        folder: Folder,
        mut command: Command,
        options: &[&str],
    ) -> Self {
        let transcript = Transcript::new();
        let mta = Mta::follows(script, &transcript);
        let log = Syslog::at(folder.file("log"));
        command.args(upstream_and_log(&mta, &log)).args(options);
        let program = Program::on_socket(command, theirs.into(), &transcript);
        let client = Client::on_socket(ours, &transcript);
        Self { client, program, mta, log, transcript, began: Instant::now(), folder }
    }

    /// Plays a dialogue: `C: ` is what the client says, `S: ` the line that it gets (all of it, or
    /// what stands before `…`), `S: (closed)` the end of the connection.
    #[track_caller]
    pub fn plays(&mut self, dialogue: &str) {
        for line in dialogue.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("C", said)) => self.client.says(said),
                Some(("S", "(closed)")) => self.client.is_closed(),
                Some(("S", expected)) => self.client.gets(expected),
                _ if line == "C:" => self.client.says(""),
                _ => self.transcript.fail(format!("not a line of a dialogue: {line}")),
            }
        }
    }

    /// The beginning of most sessions.
    #[track_caller]
    pub fn greets(&mut self) {
        self.plays("S: 220 mta.test ESMTP\nC: EHLO client.example");
        self.client.reply();
    }

    /// A session up to the 354.
    #[track_caller]
    pub fn opens_a_message(&mut self) {
        self.greets();
        self.plays(
            "C: MAIL FROM:<a@client.example>
             S: 250 2.1.0 sender ok
             C: RCPT TO:<b@mta.test>
             S: 250 2.1.5 recipient ok
             C: DATA
             S: 354 go ahead",
        );
    }

    /// A session with one recipient; gives the reply to RCPT. Nothing is checked but the end.
    #[track_caller]
    pub fn asks_for_a_recipient(&mut self) -> String {
        self.client.reply();
        for command in ["EHLO client.example", "MAIL FROM:<a@b.example>"] {
            self.client.says(command);
            self.client.reply();
        }
        self.client.says("RCPT TO:<c@d.example>");
        let said = self.client.line().expect("a reply");
        // A recipient who is accepted has his line when the message is.
        for command in ["RSET", "QUIT"] {
            self.client.says(command);
            self.client.reply();
        }
        self.ends(&[0]);
        said
    }

    /// QUIT, and the end with status 0.
    #[track_caller]
    pub fn quits(&mut self) {
        self.plays("C: QUIT\nS: 221 2.0.0 goodbye\nS: (closed)");
        self.ends(&[0]);
    }

    /// Expects the end of the program, with one of these exit statuses and one log line for the
    /// session; every log line is of its level and of printable ASCII.
    #[track_caller]
    pub fn ends(&mut self, statuses: &[i32]) {
        let status = self.program.status();
        if !status.is_some_and(|status| statuses.contains(&status)) {
            let why = format!("exit status {status:?}, expected one of {statuses:?}");
            self.transcript.fail(why);
        }
        if self.mta.connections() > 0 {
            self.mta.waits("the end of its connection", |heard| heard.end.is_some());
        }
        self.log.stops();
        self.logs(1, "session=end");
        let ours = status != Some(0);
        for line in self.log.lines() {
            let clean = line.bytes().all(|octet| matches!(octet, b' '..=b'~'));
            // mail.info; mail.err for what an administrator has to look after.
            let trouble = ours || line.contains(" session=trouble ");
            let level = line.starts_with("<22>") || trouble && line.starts_with("<19>");
            if !clean || !level {
                self.transcript.fail(format!("not a clean line of its level: {line:?}"));
            }
        }
    }

    /// Expects as many log lines of this kind.
    #[track_caller]
    pub fn logs(&self, times: usize, pattern: &str) {
        if self.logged(pattern).len() != times {
            let log = self.log.lines().join("\n");
            self.transcript.fail(format!("not {times} times {pattern} in the log:\n{log}"));
        }
    }

    /// The log lines in which each word of the pattern is a `key=value`; the words are regular
    /// expressions, their order does not matter.
    #[track_caller]
    pub fn logged(&self, pattern: &str) -> Vec<String> {
        let mut lines = self.log.lines();
        lines.retain(|line| {
            let mut words = pattern.split_whitespace();
            words.all(|word| line.split(' ').any(|field| matches(&format!("^{word}$"), field)))
        });
        lines
    }

    /// Expects exactly these lines from the program at the MTA; a farewell of the program's own may
    /// follow them.
    #[track_caller]
    pub fn mta_heard(&self, expected: &str) {
        self.mta_heard_octets(&lines(expected));
    }

    /// The same with octets.
    #[track_caller]
    pub fn mta_heard_octets(&self, expected: &[u8]) {
        let heard = self.mta.heard().octets;
        let rest = heard.strip_prefix(expected);
        if rest.is_none_or(|rest| !rest.is_empty() && rest != b"QUIT\r\n") {
            let shown = |octets: &[u8]| octets.escape_ascii().to_string().replace("\\n", "\\n\n");
            let (heard, expected) = (shown(&heard), shown(expected));
            self.transcript.fail(format!("the MTA heard\n{heard}\nand not\n{expected}"));
        }
    }

    /// Expects one message at the MTA with exactly these mail data.
    #[track_caller]
    pub fn mta_has_message(&self, data: &[u8]) {
        match self.mta.heard().messages.as_slice() {
            [message] if message.data == data => {}
            [message] => {
                let same = message.data.iter().zip(data).take_while(|(a, b)| a == b).count();
                let near = |data: &[u8]| {
                    let part = data.get(same.saturating_sub(20)..).unwrap_or_default();
                    part.iter().take(60).copied().collect::<Vec<u8>>().escape_ascii().to_string()
                };
                self.transcript.fail(format!(
                    "{} octets sent, {} arrived, different from octet {same} on:\n{}\n{}",
                    data.len(),
                    message.data.len(),
                    near(data),
                    near(&message.data),
                ))
            }
            messages => self.transcript.fail(format!("{} messages at the MTA", messages.len())),
        }
    }

    /// Expects that the MTA has not seen the end of any mail data.
    #[track_caller]
    pub fn mta_has_no_message(&self) -> Heard {
        let heard = self.mta.heard();
        if !heard.messages.is_empty() || heard.octets.ends_with(b"\r\n.\r\n") {
            self.transcript.fail("the MTA saw an end of mail data that it must not see");
        }
        heard
    }

    /// Expects that no more time than this has passed since the start.
    #[track_caller]
    pub fn took_less_than(&self, limit: Duration) {
        if self.began.elapsed() > limit {
            self.transcript.fail(format!("more than {limit:?} for this session"));
        }
    }
}

/// The options that every session needs.
pub fn upstream_and_log(mta: &Mta, log: &Syslog) -> [String; 6] {
    let (upstream, log) = (mta.address().to_string(), format!("syslog:{}", log.path().display()));
    // Not what is installed here.
    ["--config", "none", "--upstream", &upstream, "--log", &log].map(str::to_owned)
}

/// Both ends of a connection: the client's, and the one that was accepted.
pub fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    connection_to(&listener)
}

/// Both ends of a connection to this listener.
pub fn connection_to(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let ours =
        TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    (ours, listener.accept().expect("a connection").0)
}
