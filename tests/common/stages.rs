//! The stages of a session, for tests that want something to happen at each of them.

use super::Session;

/// A session, stage by stage: what the client says and the last line that it gets.
const STAGES: &[(&str, &str, &str)] = &[
    ("EHLO", "EHLO client.example", "250 CHUNKING"),
    ("MAIL", "MAIL FROM:<a@client.example>", "250 2.1.0 sender ok"),
    ("RCPT", "RCPT TO:<b@mta.test>", "250 2.1.5 recipient ok"),
    ("DATA", "DATA", "354 go ahead"),
    (".", "Subject: x\r\n\r\ntext\r\n.", "250 2.0.0 queued"),
    ("QUIT", "QUIT", "221 2.0.0 goodbye"),
];

impl Session {
    /// Plays a session up to a stage, whose command is said and not answered yet.
    #[track_caller]
    pub fn plays_until(&mut self, stage: &str) {
        if stage == "(greeting)" {
            return;
        }
        self.client.gets("220 mta.test ESMTP");
        for (name, said, answer) in STAGES {
            self.client.says(said);
            if *name == stage {
                return;
            }
            assert_eq!(self.client.reply().last().map(String::as_str), Some(*answer));
        }
    }

    /// Plays a session up to and with the answer to a stage.
    #[track_caller]
    pub fn plays_through(&mut self, stage: &str) {
        self.plays_until(stage);
        self.client.reply();
    }

    /// Nothing more follows, but for a 421 to the next command if the connection is still open.
    #[track_caller]
    pub fn is_over(&mut self) {
        self.client.forgiving = true;
        self.client.tries("NOOP");
        let rest = self.client.rest();
        if rest.len() > 1 || !rest.iter().all(|line| line.starts_with("421 ")) {
            self.transcript.fail(format!("the session is over, but: {rest:?}"));
        }
    }
}
