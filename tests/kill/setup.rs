//! What the sessions are like that end too early: how the client sends its messages, and which way
//! they take.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::client::Step;
use super::common::{Folder, Program};

/// The way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It streams through.
    Relay,
    /// It is kept for a filter, and goes on as it was.
    Kept,
    /// A program gets it, and what that answers goes on.
    Program,
}

/// A kind of session.
pub struct Setup {
    pub name: &'static str,
    /// The client sends chunks of this size.
    chunks: Option<usize>,
    pipelining: bool,
    /// The MTA takes chunks.
    pub mta_chunks: bool,
    pub by: By,
    /// What a shell says before it becomes the session, if it is to say anything.
    pub before: String,
    /// The content of its messages.
    pub messages: Vec<Vec<u8>>,
}

/// All of them. Beyond 256 KiB a message that is kept is in a file.
pub fn setups() -> Vec<Setup> {
    let setup = |name, by, chunks, (pipelining, mta_chunks), sizes: &[usize]| {
        let messages = sizes.iter().map(|&size| message(size)).collect();
        Setup { name, chunks, pipelining, mta_chunks, by, before: String::new(), messages }
    };
    vec![
        setup("relay", By::Relay, None, (false, false), &[700, 30_000]),
        setup("relay, pipelined", By::Relay, None, (true, false), &[200, 70_000]),
        setup("relay, large", By::Relay, None, (true, false), &[2_000_000]),
        setup("chunks", By::Relay, Some(8_000), (false, true), &[300, 60_000]),
        setup("chunks, pipelined", By::Relay, Some(20_000), (true, true), &[100_000, 500]),
        setup("chunks as data", By::Relay, Some(9_000), (true, false), &[40_000, 500]),
        setup("kept", By::Kept, None, (true, false), &[700, 600_000]),
        setup("kept chunks", By::Kept, Some(100_000), (true, true), &[400_000, 700]),
        setup("program", By::Program, None, (false, false), &[700, 40_000]),
        setup("program, large", By::Program, None, (true, false), &[1_500_000, 300]),
        setup("program, chunks", By::Program, Some(10_000), (true, true), &[50_000, 500]),
    ]
}

/// A message of about this size: lines of all kinds, many of which begin with a dot.
fn message(size: usize) -> Vec<u8> {
    let mut content = b"Subject: kill\r\n\r\n.\r\n..\r\n\x00\xe9\xff\r\n".to_vec();
    for line in 0.. {
        if content.len() >= size {
            break;
        }
        if line % 5 == 0 {
            content.push(b'.');
        }
        content.extend_from_slice(format!("{line} ").repeat(line % 23).as_bytes());
        content.extend_from_slice(b"\r\n");
    }
    content
}

/// With transparency, and its end.
fn as_data(content: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(content.len() + content.len() / 16);
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    data.extend_from_slice(b".\r\n");
    data
}

impl Setup {
    /// The same, behind what a shell says.
    pub fn behind(self, before: &str) -> Setup {
        Setup { before: before.to_owned(), ..self }
    }

    /// What is started.
    pub fn command(&self, folder: &Folder) -> Command {
        match self.before.as_str() {
            "" => Program::command(&folder.file("")),
            before => Program::shell(&folder.file(""), &format!("{before}; exec \"$0\" \"$@\"")),
        }
    }

    /// What the client does.
    pub fn steps(&self) -> Vec<Step> {
        let say = |line: String| Step::Say(format!("{line}\r\n").into_bytes());
        let mut steps = vec![Step::Hear, say("EHLO client.example".to_owned()), Step::Hear];
        for (number, content) in self.messages.iter().enumerate() {
            let mut commands = vec![
                say(format!("MAIL FROM:<a{number}@client.example>")),
                say(format!("RCPT TO:<b{number}@mta.test>")),
            ];
            match self.chunks {
                None => {
                    commands.push(say("DATA".to_owned()));
                    self.groups(&mut steps, commands, 0);
                    steps.extend([Step::Say(as_data(content)), Step::Sent, Step::Verdict]);
                }
                Some(size) => {
                    let last = content.len().div_ceil(size) - 1;
                    commands.extend(content.chunks(size).enumerate().map(|(at, chunk)| {
                        let end = if at == last { " LAST" } else { "" };
                        let command = format!("BDAT {}{end}\r\n", chunk.len());
                        Step::Say([command.as_bytes(), chunk].concat())
                    }));
                    self.groups(&mut steps, commands, 1);
                }
            }
        }
        steps.extend([say("QUIT".to_owned()), Step::Hear]);
        steps
    }

    /// Commands and their replies; the last `ends` of them end a message.
    fn groups(&self, steps: &mut Vec<Step>, commands: Vec<Step>, ends: usize) {
        let count = commands.len();
        let mut replies = Vec::new();
        for (at, command) in commands.into_iter().enumerate() {
            let is_end = at + ends >= count;
            steps.push(command);
            steps.extend(is_end.then_some(Step::Sent));
            replies.push(if is_end { Step::Verdict } else { Step::Hear });
            if !self.pipelining {
                steps.append(&mut replies);
            }
        }
        steps.append(&mut replies);
    }

    /// Its configuration and its program, in a folder with a state directory.
    pub fn furnishes(&self, folder: &Folder) {
        let (state, program) = (folder.file("state"), folder.file("filter"));
        fs::create_dir(&state).expect("a state directory");
        // What the intervals are for here is that their file is locked and written.
        let mut config =
            format!("state = {state:?}\n[[filter]]\ntype = \"interval\"\nleast = \"0.000001s\"\n");
        if self.by != By::Relay {
            let run = if self.by == By::Kept { "/nonexistent".into() } else { program.clone() };
            config += &format!(
                "[[filter]]\ntype = \"program\"\nat = \"message\"\ncontract = \"original\"\n\
                 run = [{run:?}]\n"
            );
            config += if self.by == By::Kept { "on_error = \"pass\"\n" } else { "" };
        }
        fs::write(folder.file("config.toml"), config).expect("a configuration");
        // It rests in the middle of its answer, so that it can be killed there.
        let script = format!(
            "#!/bin/sh\necho $$ >>{:?}\nsed -n '/^DATA.$/,$p' >\"$0.$$\"\n\
             head -c 500 \"$0.$$\"; sleep 0.02; exec tail -c +501 \"$0.$$\"\n",
            folder.file("pids")
        );
        fs::write(&program, script).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}
