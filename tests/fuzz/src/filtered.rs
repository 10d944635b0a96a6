//! A dialogue with filters, whose rulings depend on what is said, so that they
//! are the same however it is cut.
//!
//! A program: an octet for the plan, then what the client sends; a line feed
//! stands for CRLF. Words decide: a HELO or sender with `hold` is held, a
//! recipient with `deny`, `later` or `bye` is refused, and so is everybody but
//! postmaster when the client is held; a message with `virus` is refused, one
//! with `rewrite` becomes another. The MTA refuses recipients with `full` in them
//! (if it refused senders, what was pipelined behind MAIL would depend on the
//! cuts), and is away for the first call if the plan says so.
//!
//! The invariants, beside those of [`crate`]:
//!
//! 1. The same octets one by one lead to the same octets for either peer.
//! 2. The MTA never hears of a recipient that was refused, nor of a sender that
//!    is held, but for a recipient that was let through.
//! 3. The MTA never gets a message with `virus` or `rewrite` in it, an end of
//!    mail data that no filter let pass, or anything but RSET behind a message
//!    that was refused.
//! 4. The client gets 250 for no more messages than the MTA took.

use smtp_wrapper::dialogue::{Dialogue, Peer, Plan, Step};
use smtp_wrapper::smtp::refusal::{Refusal, RefusalCode};
use smtp_wrapper::stage::{Ruling, Stage};

const REWRITTEN: &[u8] = b"new\r\n.\r\n";

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    to_client: Vec<u8>,
    to_mta: Vec<u8>,
    ending: Option<String>,
    /// Messages the filters let pass, and the MTA took.
    passed: usize,
    taken: usize,
}

struct Run {
    dialogue: Dialogue,
    outcome: Outcome,
    piece: usize,
    away: bool,
    held: bool,
    asks_recipients: bool,
    connected: bool,
    kept: Vec<u8>,
    poured: usize,
    /// What the MTA has not read, and whether it reads mail data.
    unread: Vec<u8>,
    data: bool,
    must_reset: bool,
}

/// Plays the program whole and octet by octet.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(program: &[u8]) {
    let Some((plan, text)) = program.split_first() else { return };
    let mut octets = Vec::with_capacity(text.len() + 16);
    for &octet in text.iter().take(20_000) {
        octets.extend_from_slice(if octet == b'\n' {
            b"\r\n"
        } else {
            std::slice::from_ref(&octet)
        });
    }
    let whole = play(*plan, &octets, usize::MAX);
    let pieces = play(*plan, &octets, 1);
    assert_eq!(whole, pieces, "octet by octet it ends differently");
}

fn play(plan: u8, octets: &[u8], piece: usize) -> Outcome {
    let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt];
    let mut of_session = Plan { keep: plan & 16 != 0, original: plan & 32 != 0, ..Plan::default() };
    for (n, stage) in stages.into_iter().enumerate() {
        if plan & 1 << n != 0 {
            of_session.consult = of_session.consult.with(stage);
        }
    }
    let mut run = Run {
        dialogue: Dialogue::new(of_session),
        outcome: Outcome::default(),
        piece,
        away: plan & 64 != 0,
        held: false,
        asks_recipients: of_session.consult.has(Stage::Rcpt),
        connected: false,
        kept: Vec::new(),
        poured: 0,
        unread: Vec::new(),
        data: false,
        must_reset: false,
    };
    run.settle(plan & 128 != 0);
    for part in octets.chunks(piece.min(octets.len()).max(1)) {
        let mut part = part;
        while !part.is_empty() && run.outcome.ending.is_none() {
            let room = run.dialogue.inbox(Peer::Client).room();
            let count = part.len().min(room.capacity() - room.len());
            assert!(count > 0, "no room, and nothing is dealt with");
            room.extend_from_slice(&part[..count]);
            part = &part[count..];
            run.settle(plan & 128 != 0);
        }
    }
    if run.outcome.ending.is_none() {
        run.dialogue.closed(Peer::Client);
        run.settle(plan & 128 != 0);
    }
    assert!(run.outcome.ending.is_some(), "the client is gone, and the session goes on");
    assert!(run.outcome.taken <= run.outcome.passed || !of_session.keep);
    run.outcome
}

impl Run {
    fn settle(&mut self, hold_at_connect: bool) {
        for _ in 0..2_000_000 {
            match self.dialogue.step() {
                Step::Call if std::mem::take(&mut self.away) => self.dialogue.lost(Peer::Mta),
                Step::Call => {
                    self.connected = true;
                    self.data = false;
                    self.must_reset = false;
                    self.unread.clear();
                    self.dialogue.called();
                    self.says(b"220 mta\r\n");
                }
                Step::Consult(stage) => self.judge(stage, hold_at_connect),
                Step::Keep(octets) => {
                    let octets = octets[..octets.len().min(self.piece)].to_vec();
                    if self.dialogue.message_begins() {
                        self.kept.clear();
                        self.poured = 0;
                    }
                    self.kept.extend_from_slice(&octets);
                    self.dialogue.kept(octets.len());
                }
                Step::Pour(into) => {
                    let rest = &self.kept[self.poured..];
                    let count = rest.len().min(self.piece);
                    into.extend_from_slice(&rest[..count]);
                    self.poured += count;
                    let last = self.poured == self.kept.len();
                    if last {
                        self.kept.clear();
                        self.poured = 0;
                    }
                    self.dialogue.poured(last);
                }
                Step::Write(peer, octets) => {
                    let octets = octets[..octets.len().min(self.piece)].to_vec();
                    self.dialogue.sent(peer, octets.len());
                    match peer {
                        Peer::Client => self.outcome.to_client.extend(octets),
                        Peer::Mta => self.heard(&octets),
                    }
                }
                // What is thrown away at a handshake depends on the pieces.
                Step::Prepare | Step::Encrypt(_) | Step::Tunnel(_) => {
                    panic!("a handshake, and STARTTLS is hidden")
                }
                Step::HangUp => self.connected = false,
                Step::Record(record) => assert!(!record.transaction.to.is_empty()),
                Step::Await => return,
                Step::Close(ending) => {
                    self.outcome.ending = Some(ending.name().to_owned());
                    return;
                }
            }
        }
        panic!("no end of steps");
    }

    fn judge(&mut self, stage: Stage, hold_at_connect: bool) {
        let view = self.dialogue.view();
        let has = |text: &[u8], word: &str| text.windows(word.len()).any(|w| w == word.as_bytes());
        let refuse = |code, rule| {
            let code = RefusalCode::new(code).expect("a code that refuses");
            Ruling::Refuse(Refusal::new(code, rule, "4.7.1 no"))
        };
        let hold = || Ruling::Hold { name: "us".to_owned(), rule: "held" };
        let ruling = match stage {
            Stage::Connect if hold_at_connect => hold(),
            Stage::Helo if has(view.hello, "hold") => hold(),
            Stage::Mail if view.from.is_some_and(|from| has(from, "hold")) => hold(),
            Stage::Rcpt => {
                let to = view.recipient.expect("a recipient");
                match () {
                    () if has(to, "deny") => refuse(554, "deny"),
                    () if has(to, "later") => refuse(450, "later"),
                    () if has(to, "bye") => refuse(421, "bye"),
                    () if self.held && !has(to, "postmaster") => refuse(450, "held"),
                    () => Ruling::Pass,
                }
            }
            Stage::Message if has(&self.kept, "virus") => refuse(550, "virus"),
            Stage::Message if has(&self.kept, "rewrite") => {
                self.kept = REWRITTEN.to_vec();
                Ruling::Pass
            }
            _ => Ruling::Pass,
        };
        self.held |= matches!(ruling, Ruling::Hold { .. });
        if stage == Stage::Message {
            match ruling {
                Ruling::Pass => self.outcome.passed += 1,
                _ => {
                    self.kept.clear();
                    self.must_reset = true;
                }
            }
        }
        self.dialogue.judged(ruling);
    }

    fn says(&mut self, octets: &[u8]) {
        if self.connected {
            self.dialogue.inbox(Peer::Mta).room().extend_from_slice(octets);
        }
    }

    /// The MTA has got octets.
    fn heard(&mut self, octets: &[u8]) {
        assert!(self.connected, "written to no MTA");
        self.outcome.to_mta.extend_from_slice(octets);
        self.unread.extend_from_slice(octets);
        while let Some(end) = self.unread.windows(2).position(|w| w == b"\r\n") {
            let line: Vec<u8> = self.unread.drain(..end + 2).collect();
            let has = |word: &str| line.windows(word.len()).any(|w| w == word.as_bytes());
            if self.data {
                assert!(!has("virus") || self.outcome.passed == 0, "the MTA gets what was refused");
                if line == b".\r\n" {
                    self.data = false;
                    self.outcome.taken += 1;
                    self.says(b"250 taken\r\n");
                }
                continue;
            }
            let verb = line[..4].to_ascii_uppercase();
            assert!(!self.must_reset || verb == b"RSET", "{}", line.escape_ascii());
            self.must_reset = false;
            let refused = ["deny", "later", "bye"].iter().any(|word| has(word));
            let asked = verb == b"RCPT" && self.asks_recipients;
            assert!(!asked || !refused, "{}", line.escape_ascii());
            match verb.as_slice() {
                b"DATA" => {
                    self.data = true;
                    self.says(b"354 go\r\n");
                }
                b"EHLO" => self.says(b"250-mta\r\n250 PIPELINING\r\n"),
                b"QUIT" => self.says(b"221 bye\r\n"),
                b"AUTH" => self.says(b"535 no\r\n"),
                b"RCPT" if has("full") => self.says(b"452 full\r\n"),
                _ => self.says(b"250 ok\r\n"),
            }
        }
    }
}

/// Writes programs to begin with into the folder named by FUZZ_SEEDS.
///
/// # Panics
/// When it cannot.
pub fn write_seeds() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let mail = "EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nRCPT TO:<deny@d>\nRCPT TO:<postmaster>\nDATA\n\
                Subject: x\n\nrewrite\n.\nMAIL FROM:<hold@b>\nRCPT TO:<later@d>\nRSET\nMAIL FROM:<>\n\
                RCPT TO:<full@d>\nRCPT TO:<e@d>\nDATA\nvirus\n.\nNOOP\nQUIT\n";
    for plan in [0u8, 0x0f, 0x1f, 0x8f, 0x9f, 0xdf, 0x3f, 0x18] {
        let name = std::path::Path::new(&folder).join(format!("plan.{plan:02x}"));
        std::fs::write(name, [&[plan], mail.as_bytes()].concat()).expect("seeds can be written");
    }
}
