//! Runs `tests/dialogues/*.smtp`: dialogues with both sides in view, one file a
//! test.
//!
//! ```text
//! C: NOOP          the client sends this line
//! >M: NOOP         the MTA gets it
//! M: 250 ok        the MTA replies
//! S: 250 ok        the client gets that
//! C= a\r\n.\r      octets as they are, with \r \n \t \0 \\ \xNN
//! C! closes        the client (M! the MTA) closes; `breaks`: its connection breaks
//! M! refuses       the MTA cannot be connected, until it `comes back`, or only `once`
//! T! passes        the time limit of the wait passes
//! X! ends          SIGTERM
//! K! goes on       it is time to let the MTA know that a message is on its way
//! P! connect mail  the stages at which filters are asked (the first line)
//! P! keeps         filters look at messages (the same; `original`: the original's replies)
//! P! lifts         AUTH lifts what filters find of the peer (the same; `hides-auth`: not in clear)
//! P! mtas 2        there are so many MTAs (the same); `xclient`: they learn who the client is by
//!                  XCLIENT, `header`: by what is written first
//! P! terminate     STARTTLS is ours (the same; `pass`: the MTA's; `unready`: ours, but there
//!                  is no certificate)
//! E! encrypts      the client's connection is encrypted; what follows is said in TLS
//! E! passes        client and MTA speak TLS past us, until they are done
//! F: rcpt pass     what the filters say when they are asked there, in this order: pass,
//! F: rcpt hold rule            hold the client,
//! F: rcpt 450 rule text        refuse; or change the message into what stands in the
//! F= abc\r\n.\r\n      line (`=`: octets as they are); F! gone: the client has left
//! L: pass 250 data rule=mta <a@b> <c@d>    a line of the log about a recipient
//! >M! closed       we close the MTA's connection; `calls 2`: the second one is called
//! S! quit          we close the client's, and how the log names it
//! # …              a comment
//! ```
//!
//! Everything that is sent must be in view, in the order of each receiver, at
//! the latest before the next line that sends something. Each file is run as it
//! is, octet by octet (both in what is received and in what is taken of a
//! write), and with each thing sent cut at each point: always with the same
//! outcome.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use smtp_wrapper::dialogue::{Dialogue, Peer, Plan, Record, Step};
use smtp_wrapper::smtp::ehlo::StartTls;
use smtp_wrapper::smtp::refusal::{Refusal, RefusalCode};
use smtp_wrapper::smtp::standing;
use smtp_wrapper::smtp::xclient::{Name, Who};
use smtp_wrapper::stage::{Ruling, Stage};

/// A line of a file.
#[derive(Clone, Debug)]
enum Line {
    Sends(Peer, Vec<u8>),
    Does(Peer, String),
    TimePasses,
    Terminated,
    KeepAlive,
    Gets(Peer, Vec<u8>),
    Event(String),
    Plans(String),
    /// What the filters say at a stage, and what they make of a message.
    Filters(String, Option<Vec<u8>>),
}

/// How the octets are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    No,
    EachOctet,
    /// The n-th thing sent, at this octet.
    Once(usize, usize),
}

struct File {
    path: PathBuf,
    lines: Vec<(usize, Line)>,
}

fn files() -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "smtp"));
    paths.sort();
    assert!(paths.len() > 20, "only {} dialogues found", paths.len());
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> File {
    let mut lines: Vec<(usize, Line)> = Vec::new();
    for (n, text) in fs::read_to_string(&path).unwrap().lines().enumerate() {
        let at = n + 1;
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let (who, rest) = text.split_at(text.find([':', '=', '!']).unwrap_or_else(|| {
            panic!("{}:{at}: what is {text:?}?", path.display());
        }));
        let (kind, rest) = rest.split_at(1);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let bytes = || match kind {
            ":" => [rest.as_bytes(), b"\r\n"].concat(),
            _ => unescape(rest),
        };
        let line = match (who, kind) {
            ("C", "!") => Line::Does(Peer::Client, rest.to_owned()),
            ("M", "!") => Line::Does(Peer::Mta, rest.to_owned()),
            ("T", "!") => Line::TimePasses,
            ("X", "!") => Line::Terminated,
            ("K", "!") => Line::KeepAlive,
            (">M", "!") if rest == "closed" => Line::Event("hang up closed".to_owned()),
            (">M", "!") => Line::Event(rest.to_owned()),
            ("S", "!") => Line::Event(format!("end {rest}")),
            ("E", "!") => Line::Event(rest.to_owned()),
            ("P", "!") => Line::Plans(rest.to_owned()),
            ("F", "=") => Line::Filters("message pass".to_owned(), Some(unescape(rest))),
            ("F", _) => Line::Filters(rest.to_owned(), None),
            ("L", ":") => Line::Event(rest.to_owned()),
            ("C", _) => Line::Sends(Peer::Client, bytes()),
            ("M", _) => Line::Sends(Peer::Mta, bytes()),
            (">M", _) => Line::Gets(Peer::Mta, bytes()),
            ("S", _) => Line::Gets(Peer::Client, bytes()),
            _ => panic!("{}:{at}: what is {text:?}?", path.display()),
        };
        // Lines that one peer sends in a row are one thing sent: a pipeline.
        match (lines.last_mut(), line) {
            (Some((_, Line::Sends(before, sent))), Line::Sends(peer, more)) if *before == peer => {
                sent.extend(more);
            }
            (_, line) => lines.push((at, line)),
        }
    }
    File { path, lines }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.bytes();
    while let Some(b) = chars.next() {
        out.push(match b {
            b'\\' => match chars.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let digits = [chars.next().unwrap(), chars.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            b => b,
        });
    }
    out
}

/// One run of a file.
struct Run<'a> {
    file: &'a File,
    cut: Cut,
    dialogue: Dialogue,
    to_client: Vec<u8>,
    to_mta: Vec<u8>,
    events: Vec<String>,
    over: bool,
    /// What the filters are yet to say.
    filters: Vec<(String, Option<Vec<u8>>)>,
    /// The message that was kept, and how much of it went to the MTA.
    kept: Vec<u8>,
    poured: usize,
    mta_refuses: bool,
    refuses_once: bool,
    xclient: bool,
    header: bool,
    unready: bool,
}

impl Run<'_> {
    fn run(file: &File, cut: Cut) {
        let mut plan = Plan::default();
        let mut filters = Vec::new();
        let (mut xclient, mut header, mut unready) = (false, false, false);
        for (_, line) in &file.lines {
            match line {
                Line::Plans(words) => words.split(' ').for_each(|word| match word {
                    "keeps" => plan.keep = true,
                    "original" => plan.original = true,
                    "lifts" => plan.auth_lifts = true,
                    "hides-auth" => plan.hides_auth = true,
                    "xclient" => xclient = true,
                    "header" => header = true,
                    "mtas" => {}
                    "terminate" => plan.starttls = StartTls::Terminate,
                    "unready" => (plan.starttls, unready) = (StartTls::Terminate, true),
                    "pass" => plan.starttls = StartTls::Pass,
                    number if number.parse::<usize>().is_ok() => {
                        plan.upstreams = number.parse().unwrap();
                    }
                    stage => plan.consult = plan.consult.with(named(stage)),
                }),
                Line::Filters(says, message) => filters.push((says.clone(), message.clone())),
                _ => {}
            }
        }
        let dialogue = Dialogue::new(plan);
        let (to_client, to_mta, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Run {
            file,
            cut,
            dialogue,
            to_client,
            to_mta,
            events,
            over: false,
            filters,
            kept: Vec::new(),
            poured: 0,
            mta_refuses: false,
            refuses_once: false,
            xclient,
            header,
            unready,
        };
        run.play();
    }

    fn play(&mut self) {
        let does = |what: &str| {
            let does =
                |(_, line): &(usize, Line)| matches!(line, Line::Does(Peer::Mta, w) if w == what);
            self.file.lines.iter().any(does)
        };
        (self.mta_refuses, self.refuses_once) = (does("refuses"), does("refuses once"));
        self.settle();
        let mut sent = 0;
        for (at, line) in self.file.lines.clone() {
            let acts = match &line {
                Line::Sends(..) | Line::TimePasses | Line::Terminated => true,
                Line::Does(_, what) => what == "closes" || what == "breaks",
                _ => false,
            };
            if acts {
                self.nothing_left(at);
            }
            match line {
                Line::Sends(peer, bytes) => {
                    self.send(peer, &bytes, sent);
                    sent += 1;
                }
                Line::Does(peer, what) => match what.as_str() {
                    "closes" => self.dialogue.closed(peer),
                    "breaks" => self.dialogue.lost(peer),
                    "refuses" | "refuses once" => {}
                    "comes back" => self.mta_refuses = false,
                    _ => panic!("{}: what is {what:?}?", self.place(at)),
                },
                Line::TimePasses => self.dialogue.expire(),
                Line::KeepAlive => self.dialogue.keep_alive(),
                Line::Terminated => self.dialogue.end(&standing::SHUTTING_DOWN),
                Line::Gets(peer, bytes) => self.expect(at, peer, &bytes),
                Line::Plans(_) | Line::Filters(..) => {}
                Line::Event(event) => {
                    let came =
                        if self.events.is_empty() { None } else { Some(self.events.remove(0)) };
                    assert_eq!(came.as_ref(), Some(&event), "{}", self.place(at));
                }
            }
            self.settle();
        }
        self.nothing_left(usize::MAX);
        let unasked: Vec<_> = self.filters.iter().map(|(says, _)| says).collect();
        assert!(unasked.is_empty(), "{}: not asked: {unasked:?}", self.place(0));
    }

    /// The filters are asked.
    fn judge(&mut self, stage: Stage) {
        assert!(!self.filters.is_empty(), "{}: asked at {stage:?}", self.place(0));
        let (says, rewritten) = self.filters.remove(0);
        let words: Vec<_> = says.splitn(4, ' ').collect();
        if words[0] == "gone" {
            return self.dialogue.lost(Peer::Client);
        }
        assert_eq!(words[0], stage.name(), "{}: asked elsewhere", self.place(0));
        if let Some(rewritten) = rewritten {
            self.kept = rewritten;
        }
        let rule: &'static str =
            words.get(2).map_or("", |rule| Box::leak((*rule).to_owned().into()));
        let ruling = match words[1] {
            "pass" => Ruling::Pass,
            "hold" => Ruling::Hold { name: "mx.example".to_owned(), rule },
            code => {
                let code = RefusalCode::new(code.parse().unwrap()).unwrap();
                let text = words[3].to_owned().into();
                Ruling::Refuse(Refusal { text, ..Refusal::new(code, rule, "") })
            }
        };
        if stage == Stage::Message && ruling != Ruling::Pass {
            self.kept.clear();
        }
        self.dialogue.judged(ruling);
    }

    fn place(&self, at: usize) -> String {
        format!("{}:{at} ({:?})", self.file.path.display(), self.cut)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8], number: usize) {
        match self.cut {
            Cut::EachOctet => bytes.chunks(1).for_each(|b| self.feed(peer, b)),
            Cut::Once(n, at) if n == number => {
                self.feed(peer, &bytes[..at]);
                self.feed(peer, &bytes[at..]);
            }
            _ => self.feed(peer, bytes),
        }
    }

    fn feed(&mut self, peer: Peer, bytes: &[u8]) {
        if !self.over {
            self.dialogue.inbox(peer).room().extend_from_slice(bytes);
            self.settle();
        }
    }

    fn expect(&mut self, at: usize, peer: Peer, bytes: &[u8]) {
        let place = self.place(at);
        let got = if peer == Peer::Client { &mut self.to_client } else { &mut self.to_mta };
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert!(got.starts_with(bytes), "{place}: expected {}, got {}", show(bytes), show(got));
        got.drain(..bytes.len());
    }

    fn nothing_left(&self, at: usize) {
        let left =
            (self.to_client.escape_ascii().to_string(), self.to_mta.escape_ascii().to_string());
        assert_eq!(left, Default::default(), "{}: more for the client, the MTA", self.place(at));
        assert_eq!(self.events, [""; 0], "{}: more happened", self.place(at));
    }

    /// The MTA is to be called.
    fn call(&mut self) {
        let number = self.dialogue.upstream() + 1;
        if number > 1 {
            self.events.push(format!("calls {number}"));
        }
        if self.mta_refuses || std::mem::take(&mut self.refuses_once) {
            return self.dialogue.lost(Peer::Mta);
        }
        self.dialogue.called();
        if self.header {
            self.dialogue.send_first(|out| out.extend_from_slice(b"PROXY header\r\n"));
        }
        if self.xclient {
            self.dialogue.introduce(Who {
                our_name: "mx.example".to_owned(),
                name: Name::Is(b"client.example".to_vec()),
                reverse_name: Name::Unknown,
                ip: [192, 0, 2, 1].into(),
                port: 4000,
                local: None,
            });
        }
    }

    /// Does the steps until nothing is left to do.
    fn settle(&mut self) {
        while !self.over {
            match self.dialogue.step() {
                Step::Call => self.call(),
                Step::Consult(stage) => self.judge(stage),
                Step::Keep(octets) => {
                    let count = match self.cut {
                        Cut::EachOctet => 1,
                        _ => octets.len(),
                    };
                    let octets = octets[..count].to_vec();
                    if self.dialogue.message_begins() {
                        self.kept.clear();
                        self.poured = 0;
                    }
                    self.kept.extend_from_slice(&octets);
                    self.dialogue.kept(count);
                }
                Step::Pour(into) => {
                    let rest = &self.kept[self.poured..];
                    let count = if matches!(self.cut, Cut::EachOctet) { 1 } else { rest.len() };
                    into.extend_from_slice(&rest[..count]);
                    self.poured += count;
                    let last = self.poured == self.kept.len();
                    if last {
                        self.kept.clear();
                        self.poured = 0;
                    }
                    self.dialogue.poured(last);
                }
                Step::Write(peer, bytes) => {
                    let bytes =
                        if matches!(self.cut, Cut::EachOctet) { &bytes[..1] } else { bytes };
                    let out =
                        if peer == Peer::Client { &mut self.to_client } else { &mut self.to_mta };
                    out.extend_from_slice(bytes);
                    let count = bytes.len();
                    self.dialogue.sent(peer, count);
                }
                Step::HangUp => self.events.push("hang up closed".to_owned()),
                Step::Prepare if self.unready => self.dialogue.cannot_encrypt(),
                Step::Prepare => self.dialogue.ready_to_encrypt(),
                Step::Encrypt(discarded) => {
                    assert_eq!(discarded, 0);
                    self.events.push("encrypts".to_owned());
                    self.dialogue.encrypted();
                }
                Step::Tunnel(discarded) => {
                    assert_eq!(discarded, 0);
                    self.events.push("passes".to_owned());
                    self.dialogue.tunnelled(1, "");
                }
                Step::Record(record) => self.events.extend(lines(&record)),
                Step::Await => return,
                Step::Close(ending) => {
                    self.events.push(format!("end {}", ending.name()));
                    self.over = true;
                }
            }
        }
    }
}

fn named(stage: &str) -> Stage {
    let stages =
        [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message];
    *stages.iter().find(|s| s.name() == stage).unwrap_or_else(|| panic!("what stage is {stage}?"))
}

fn lines(record: &Record) -> Vec<String> {
    let outcome = &record.outcome;
    let code = outcome.code.map_or("-".to_owned(), |c| c.to_string());
    let verdict = outcome.verdict();
    let from = record.transaction.from.escape_ascii();
    record
        .transaction
        .to
        .iter()
        .map(|to| {
            let (at, rule) = (outcome.at.name(), outcome.rule);
            format!("{verdict} {code} {at} rule={rule} <{from}> <{}>", to.escape_ascii())
        })
        .collect()
}

#[test]
fn as_they_are() {
    let files = files();
    files.iter().for_each(|file| Run::run(file, Cut::No));
    println!("{} dialogues", files.len());
}

#[test]
fn octet_by_octet() {
    files().iter().for_each(|file| Run::run(file, Cut::EachOctet));
}

#[test]
fn cut_at_each_point() {
    let mut runs = 0;
    for file in files() {
        let sent: Vec<usize> = file
            .lines
            .iter()
            .filter_map(|(_, line)| match line {
                Line::Sends(_, bytes) => Some(bytes.len()),
                _ => None,
            })
            .collect();
        for (n, &length) in sent.iter().enumerate() {
            for at in 1..length {
                Run::run(&file, Cut::Once(n, at));
                runs += 1;
            }
        }
    }
    println!("{runs} runs");
}
