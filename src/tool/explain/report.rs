//! What is told of a session that was played: each step in its order, the log lines
//! and the verdict.

use std::time::{Duration, Instant};

use super::super::play::{Audience, Played};
use crate::dialogue::{self, Summary};
use crate::dns::{Answer, Kind, Record};
use crate::exit;
use crate::filter::chain::{Chain, Found, Noted};
use crate::host::{Host, Lookup};
use crate::log::line::Line;
use crate::session::records;
use crate::smtp::refusal::Refusal;
use crate::stage::{Ruling, Stage};
use crate::terminal::printable;

/// A step.
pub(super) enum Told {
    ClientSays(String),
    ClientGets(String),
    MtaCalled,
    /// What the filters have found at a stage, a line each.
    Filters(String, Vec<String>),
}

/// What there is to tell.
pub(super) struct Report {
    began: Instant,
    line: Line,
    told: Vec<Told>,
    log: Vec<String>,
    names: Vec<String>,
    /// The refusal that weighs most.
    refused: Option<(u16, &'static str)>,
    /// There are filters that look at messages.
    pub(super) keeps_messages: bool,
}

impl Audience for Report {
    fn says(&mut self, line: &[u8]) {
        self.told.push(Told::ClientSays(printable(line)));
    }

    fn mta_called(&mut self) {
        self.told.push(Told::MtaCalled);
    }

    fn gets(&mut self, octets: &[u8], rule: Option<&'static str>) {
        let code = octets.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        if let Some(code @ 400..) = code {
            let weight = (code, rule.unwrap_or("mta"));
            self.refused = Some(self.refused.map_or(weight, |before| before.max(weight)));
        }
        let lines = octets.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        self.told.extend(lines.map(|line| Told::ClientGets(printable(line.trim_ascii_end()))));
    }

    fn logged(
        &mut self,
        record: &dialogue::Record,
        to: &[u8],
        noted: &Noted,
        summary: &Summary,
        host: Option<&Host>,
    ) {
        let said = (summary.helo(), &*record.transaction.from, to);
        records::recipient(&mut self.line, said, &record.outcome, noted);
        let auth = (summary.authenticated, None);
        records::session(&mut self.line, host, None, auth, self.began.elapsed());
        // It is printable as it is.
        self.log.push(String::from_utf8_lossy(self.line.as_bytes()).into_owned());
    }

    fn asked(
        &mut self,
        stage: Stage,
        recipient: Option<&[u8]>,
        chain: &Chain,
        ruling: &Ruling,
        remarks: Vec<String>,
    ) {
        let mut lines: Vec<_> = chain.found(stage).map(|found| of_filter(&found)).collect();
        lines.extend(remarks.iter().map(|remark| printable(remark.as_bytes())));
        match ruling {
            Ruling::Pass => {}
            Ruling::Hold { rule, .. } => {
                lines.push(format!("=> held until RCPT for {rule}; the MTA is not called"));
            }
            Ruling::Refuse(refusal) => {
                lines.push(format!("=> refused with {}", reply(refusal)));
            }
        }
        let of = recipient.map(|to| format!(" <{}>", printable(to))).unwrap_or_default();
        self.told.push(Told::Filters(format!("{}{of}", stage.name()), lines));
    }
}

impl Report {
    /// Of a session whose lines begin so.
    pub(super) fn new(line: Line) -> Report {
        Report {
            began: Instant::now(),
            line,
            told: Vec::new(),
            log: Vec::new(),
            names: Vec::new(),
            refused: None,
            keeps_messages: false,
        }
    }

    /// The client's host names are known, or there is nobody who needs them.
    pub(super) fn finish(&mut self, played: &Played) {
        let Some(host) = played.host.get() else {
            self.names.push("not asked for: no filter needs it".to_owned());
            return;
        };
        let name = host.name.as_deref().map_or("none".to_owned(), printable);
        let result = host.iprev.name();
        let trouble = host.trouble.map(|trouble| format!(", {}", trouble.name()));
        self.names.push(format!("{name}: {result}{}", trouble.unwrap_or_default()));
        self.names.extend(played.naming.lookup().into_iter().flat_map(Lookup::questions).map(
            |(kind, name, answer)| {
                let (answer, took) = answer.map_or(("no answer".to_owned(), Duration::ZERO), told);
                let kind = match kind {
                    Kind::Ptr => "PTR",
                    Kind::A => "A",
                    Kind::Aaaa => "AAAA",
                };
                format!("{kind} {}: {answer} ({} ms)", printable(&name), took.as_millis())
            },
        ));
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut put = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        self.names.iter().enumerate().for_each(|(n, line)| {
            put(&format!("{:<11} {line}", if n == 0 { "host name" } else { "" }));
        });
        for told in &self.told {
            match told {
                Told::ClientSays(line) => put(&format!("C: {line}")),
                Told::ClientGets(line) => put(&format!("S: {line}")),
                Told::MtaCalled => {
                    put("(the MTA is called; here one answers that takes everything)")
                }
                Told::Filters(stage, lines) => {
                    put(&format!("at {stage}"));
                    lines.iter().for_each(|line| put(&format!("    {line}")));
                }
            }
        }
        if self.keeps_messages {
            put("(filters that look at messages are not asked here)");
        }
        self.log.iter().for_each(|line| put(&format!("log         {line}")));
        match self.refused {
            None => put("verdict     passes"),
            Some((code, rule)) if code < 500 => {
                put(&format!("verdict     refused for now: {code} by {rule}"));
            }
            Some((code, rule)) => put(&format!("verdict     refused for good: {code} by {rule}")),
        }
        text
    }

    /// The exit status that says the verdict.
    pub(super) fn status(&self) -> u8 {
        match self.refused {
            None => exit::OK,
            Some((..500, _)) => exit::REFUSED_FOR_NOW,
            Some(_) => exit::REFUSED_FOR_GOOD,
        }
    }
}

fn of_filter(found: &Found<'_>) -> String {
    let what = match (found.accepts, found.refusal) {
        (Some(why), _) => format!("accepts ({})", printable(why)),
        (None, Some(refusal)) => {
            let why = match refusal.why.is_empty() {
                true => String::new(),
                false => format!(" ({})", printable(&refusal.why)),
            };
            format!("{}{why}: {}", refusal.rule, reply(refusal))
        }
        (None, None) if found.asked => "nothing".to_owned(),
        (None, None) => "not asked".to_owned(),
    };
    let observes = if found.observes { ", only observes" } else { "" };
    format!("{:<10} {what}{observes}", found.name)
}

fn reply(refusal: &Refusal) -> String {
    format!("{} {}", refusal.code.get(), printable(refusal.text.as_bytes()))
}

fn told((answer, took): (&Answer, Duration)) -> (String, Duration) {
    let record = |record: &Record| match record {
        Record::Ip(ip) => ip.to_string(),
        Record::Name(name) => printable(name),
    };
    let text = match answer {
        Answer::Records(records) => records.iter().map(record).collect::<Vec<_>>().join(", "),
        Answer::NoName => "no such name".to_owned(),
        Answer::NoData => "the name has none".to_owned(),
        Answer::Trouble(trouble) => trouble.name().to_owned(),
    };
    (text, took)
}
