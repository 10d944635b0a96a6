//! The filters' end: says what the program wants said, keeps the message, and
//! knows what was asked and what may come of it.

use std::collections::VecDeque;

use smtp_wrapper::dialogue::Plan;
use smtp_wrapper::limits;
use smtp_wrapper::smtp::refusal::{Refusal, RefusalCode};
use smtp_wrapper::stage::{Ruling, Stage, Stages};

use crate::client::{Client, path};
use crate::mta::{Due, verb};

/// The name under which a held client is spoken to.
pub const NAME: &str = "mx.example";

/// What they say when they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Pass,
    Hold,
    Refuse(u16),
    /// The message is changed, in this way.
    Rewrite(u8),
    /// The client has left meanwhile.
    Gone,
    /// The session is to end meanwhile.
    Terminated,
}

/// What becomes of mail data that is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    NoRoom,
    TooLarge,
    Gone,
    Terminated,
    /// It is kept, and cannot be read again.
    Unreadable,
}

/// A refusal of theirs that the client is to get.
#[derive(Debug)]
struct Refused {
    stage: Stage,
    subject: Vec<u8>,
    code: u16,
    text: String,
    said: bool,
}

#[derive(Debug, Default)]
pub struct Filters {
    pub plan: Plan,
    /// What they will say; behind it, always the same.
    pub script: VecDeque<u8>,
    always: u8,
    /// The next trouble with keeping, and behind how many octets.
    pub trouble: Option<u8>,
    refused: Vec<Refused>,
    /// How often they were asked, and about which octet of the client's last.
    pub asked: usize,
    last: Option<(usize, Stage)>,
    /// The client has been held; and the MTA may be called all the same.
    pub held: bool,
    pub may_call: bool,
    /// The recipients let through that the MTA has not got (yet).
    let_through: VecDeque<Vec<u8>>,
    /// The message that is kept, how much of it went to the MTA, and whether it may.
    pub kept: Vec<u8>,
    pub poured: usize,
    /// What it was before they changed it.
    pub of: Vec<u8>,
    passed: bool,
    /// Octets that they put into messages.
    pub added: usize,
}

impl Filters {
    pub fn new(plan: Plan) -> Filters {
        Filters { plan, ..Filters::default() }
    }

    /// The plan that an octet stands for, as `chain.rs` would make it.
    pub fn plan(octet: u8) -> Plan {
        let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Message];
        let chosen = stages.iter().enumerate().filter(|(bit, _)| octet & 1 << bit != 0);
        let mut consult = chosen.fold(Stages::NONE, |all, (_, stage)| all.with(*stage));
        if consult.meets(Stages::PEER) {
            // What is held is said there.
            consult = consult.with(Stage::Rcpt);
        }
        let keep = consult.has(Stage::Message);
        Plan { consult, keep, original: octet & 0x20 != 0, ..Plan::default() }
    }

    /// They are asked about what stands at this octet of the client's: what they
    /// say, and whether they hear the client meanwhile.
    pub fn ask(&mut self, stage: Stage, at: usize) -> (Says, bool) {
        assert!(self.plan.consult.has(stage), "asked at {stage:?}, where nobody wants to be");
        if let Some((before, earlier)) = self.last {
            let next = earlier == Stage::Message && stage != Stage::Message;
            assert!(at > before || at == before && next, "asked again at {stage:?}, {at}");
        }
        let first = self.plan.consult.has(Stage::Connect) && self.asked == 0;
        assert_eq!(stage == Stage::Connect, first, "asked at {stage:?}");
        // What stands at the first octet is another thing than the client.
        self.last = Some(if first { (0, Stage::Message) } else { (at, stage) });
        self.asked += 1;
        let octet = self.script.pop_front().unwrap_or(self.always);
        if octet & 0x80 != 0 {
            self.always = octet;
        }
        let peer = Stages::PEER.has(stage);
        let says = match octet & 7 {
            1 if peer => Says::Hold,
            2 => Says::Refuse(450),
            3 => Says::Refuse(421),
            4 => Says::Refuse(554),
            5 if stage == Stage::Message => Says::Rewrite(octet >> 4 & 7),
            6 => Says::Gone,
            7 => Says::Terminated,
            _ => Says::Pass,
        };
        (says, octet & 8 != 0)
    }

    /// What they say, as the dialogue is told; to be made where the heap counts.
    pub fn ruling(says: Says, number: usize) -> Ruling {
        match says {
            Says::Hold => Ruling::Hold { name: NAME.to_owned(), rule: "fuzz.held" },
            Says::Refuse(code) => {
                let text = text(code, number).into();
                let code = RefusalCode::new(code).expect("it refuses");
                Ruling::Refuse(Refusal { text, ..Refusal::new(code, "fuzz.refused", "") })
            }
            _ => Ruling::Pass,
        }
    }

    /// They have said it.
    pub fn ruled(&mut self, stage: Stage, subject: Vec<u8>, says: Says) {
        match (says, stage) {
            (Says::Hold, _) => (self.held, self.may_call) = (true, false),
            (Says::Refuse(code), _) => {
                let text = text(code, self.asked);
                self.refused.push(Refused { stage, subject, code, text, said: false });
            }
            (_, Stage::Rcpt) => {
                self.may_call = true;
                self.let_through.push_back(subject);
            }
            (_, Stage::Message) => {
                self.passed = true;
                self.of = self.kept.clone();
            }
            _ => {}
        }
        if let Says::Rewrite(how) = says {
            let line = b"X-Filter: a line that a filter has added\r\n";
            let before = self.kept.len();
            match how {
                0 => drop(self.kept.splice(..0, line.iter().copied())),
                1 => self.kept = b".\r\n".to_vec(),
                2 => drop(self.kept.splice(..0, line.repeat(2000))),
                3 => self.kept = b"..\r\n\r\n..x\r\n.\r\n".to_vec(),
                _ => self.kept = [&line.repeat(usize::from(how) * 256)[..], b".\r\n"].concat(),
            }
            self.added += self.kept.len().saturating_sub(before);
        }
    }

    /// Is this reply a refusal of theirs, said to what it is for, once?
    pub fn refused(&mut self, code: u16, lines: &[Vec<u8>], greeted: bool, asked: &[u8]) -> bool {
        let is_it = |r: &&mut Refused| {
            !r.said && r.code == code && lines.len() == 1 && r.text.as_bytes() == &lines[0][..]
        };
        let Some(refused) = self.refused.iter_mut().find(is_it) else {
            return false;
        };
        refused.said = true;
        let line = asked.strip_suffix(b"\r\n").unwrap_or(asked);
        let fits = match refused.stage {
            Stage::Connect => !greeted,
            Stage::Helo => matches!(&verb(line)[..], b"HELO" | b"EHLO"),
            Stage::Mail => verb(line) == b"MAIL",
            Stage::Rcpt => verb(line) == b"RCPT" && path(line).as_ref() == Some(&refused.subject),
            Stage::Data => false,
            Stage::Message => {
                asked == b".\r\n" || asked.ends_with(b"\r\n.\r\n") || verb(line) == b"BDAT"
            }
        };
        assert!(fits, "{refused:?} is said to {}", asked.escape_ascii());
        true
    }

    /// The MTA gets RCPT for this recipient.
    pub fn mta_gets(&mut self, to: &[u8]) {
        if self.plan.consult.has(Stage::Rcpt) {
            let at = self.let_through.iter().position(|passed| passed == to);
            let at = at.unwrap_or_else(|| panic!("not let through: {}", to.escape_ascii()));
            self.let_through.drain(..=at);
        }
    }

    /// Mail data is to be kept; what goes wrong with it, if anything does.
    pub fn keep(&mut self, octets: &[u8], begins: bool) -> Option<Trouble> {
        // What is left of a message that came to nothing is no part of the next one.
        if begins {
            self.kept.clear();
            (self.poured, self.passed) = (0, false);
        }
        let trouble = self.trouble_at(self.kept.len() + octets.len())?;
        if trouble == Trouble::Unreadable {
            return None;
        }
        self.trouble = None;
        Some(trouble)
    }

    /// Can the next block of this many octets not be read?
    pub fn is_unreadable(&mut self, count: usize) -> bool {
        let unreadable = self.trouble_at(self.poured + count) == Some(Trouble::Unreadable);
        if unreadable {
            self.trouble = None;
        }
        unreadable
    }

    fn trouble_at(&self, octets: usize) -> Option<Trouble> {
        let trouble = self.trouble.filter(|t| octets > usize::from(t / 8) * 3)?;
        Some(match trouble % 8 {
            0 => Trouble::NoRoom,
            1 => Trouble::TooLarge,
            2 => Trouble::Gone,
            3 => Trouble::Terminated,
            _ => Trouble::Unreadable,
        })
    }

    /// The mail data that the MTA is to get.
    pub fn due<'a>(&'a self, client: &'a Client) -> Option<Due<'a>> {
        if !self.plan.keep {
            if let (Some((bytes, whole)), Some(chunk)) = (client.chunks_as_data(), client.chunk()) {
                let chunk = Some((chunk.content, chunk.text()));
                return Some(Due { bytes: bytes.into(), whole, of: None, chunk });
            }
            let (bytes, whole) = client.data()?;
            return Some(Due { bytes: bytes.into(), whole, of: None, chunk: None });
        }
        let (kept, of) = (&self.kept[..], Some(&self.of[..]));
        self.passed.then(|| Due { bytes: kept.into(), whole: true, of, chunk: None })
    }

    /// What the MTA may be told in vain for each call.
    pub fn cost_of_call() -> usize {
        2 * limits::COMMAND_LINE + 64
    }
}

/// Each refusal has a text of its own.
fn text(code: u16, number: usize) -> String {
    format!("{}.7.1 refused {number}", code / 100)
}
