//! Introductions at random: whatever MTAs say while they are told who the client is, in whatever
//! pieces, none of them hears anything of the client before it has greeted it, the client gets
//! exactly one greeting or none, and the pieces make no difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smtp_wrapper::dialogue::{Dialogue, Peer, Plan, Step};
use smtp_wrapper::smtp::xclient::{Name, Who};
use smtp_wrapper::stage::{Ruling, Stage, Stages};

/// Numbers that look like chance (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

const GREETINGS: [&str; 8] = [
    "220 mta\r\n",
    "220 mta\r\n",
    "220-mta\r\n220 ESMTP\r\n",
    "421 busy\r\n",
    "450 later\r\n",
    "554 no\r\n",
    "hello\r\n",
    "",
];
const EHLOS: [&str; 8] = [
    "250-mta\r\n250 XCLIENT ADDR\r\n",
    "250-mta\r\n250-PIPELINING\r\n250 XCLIENT NAME ADDR PORT PROTO HELO DESTADDR\r\n",
    "250-mta\r\n250 XCLIENT ADDR REVERSE_NAME NAME HELO\r\n",
    "250 mta\r\n",
    "250-mta\r\n250 XCLIENT NAME\r\n",
    "502 no\r\n",
    "421 bye\r\n",
    "",
];
const XCLIENTS: [&str; 9] = [
    "220 again\r\n",
    "220 again\r\n",
    "220-again\r\n220 and again\r\n",
    "550 no\r\n",
    "554 not you\r\n",
    "450 not you now\r\n",
    "421 bye\r\n",
    "250 ok\r\n",
    "",
];

/// What a client says once it is greeted.
const CLIENT: &[u8] =
    b"EHLO client.example\r\nMAIL FROM:<client@x>\r\nRCPT TO:<client@y>\r\nQUIT\r\n";

struct Run {
    dialogue: Dialogue,
    chance: Chance,
    piece: usize,
    held: bool,
    connected: bool,
    greeted: bool,
    /// What the MTA has got of a line.
    line: Vec<u8>,
    /// What it said and we have not received.
    says: Vec<u8>,
    closes: bool,
    to_client: Vec<u8>,
    to_mta: Vec<u8>,
    long: bool,
}

impl Run {
    fn new(seed: u64, piece: usize) -> Run {
        let mut chance = Chance(seed);
        chance.below(1);
        let held = chance.below(2) == 0;
        let consult = if held { Stages::only(Stage::Connect) } else { Stages::NONE };
        let plan = Plan { consult, upstreams: 1 + chance.below(3), ..Plan::default() };
        let long = chance.below(3) == 0;
        Run {
            dialogue: Dialogue::new(plan),
            chance,
            piece,
            held,
            connected: false,
            greeted: false,
            line: Vec::new(),
            says: Vec::new(),
            closes: false,
            to_client: Vec::new(),
            to_mta: Vec::new(),
            long,
        }
    }

    fn call(&mut self) {
        assert!(!self.connected, "a second connection");
        if self.chance.below(4) == 0 {
            return self.dialogue.lost(Peer::Mta);
        }
        (self.connected, self.greeted, self.closes) = (true, false, false);
        self.line.clear();
        self.says.clear();
        self.to_mta.extend_from_slice(b"(call)");
        self.answer(&GREETINGS);
        self.dialogue.called();
        let name = if self.long { "a.".repeat(120) + "a" } else { "name.example".to_owned() };
        self.dialogue.introduce(Who {
            our_name: "we".to_owned(),
            name: Name::Is(name.clone().into_bytes()),
            reverse_name: Name::Is(name.into_bytes()),
            ip: [192, 0, 2, 1].into(),
            port: 1,
            local: None,
        });
    }

    /// Says one of these; nothing is to close.
    fn answer(&mut self, replies: &[&str]) {
        let reply = replies[self.chance.below(replies.len())];
        self.closes |= reply.is_empty();
        self.says.extend_from_slice(reply.as_bytes());
    }

    fn mta_got(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.to_mta.push(octet);
            self.line.push(octet);
            if octet != b'\n' {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            assert!(line.len() <= 512 || self.greeted, "a line of {}", line.len());
            if line == b"EHLO we\r\n" {
                self.answer(&EHLOS);
            } else if line.starts_with(b"XCLIENT ") {
                assert!(!self.greeted, "told once more");
                let before = self.says.len();
                self.answer(&XCLIENTS);
                let told =
                    line.windows(16).any(|w| w == b" ADDR=192.0.2.1\r" || w == b" ADDR=192.0.2.1 ");
                self.greeted = told && self.says[before..].starts_with(b"220");
            } else {
                assert!(self.greeted, "not greeted, and got {}", line.escape_ascii());
                self.says.extend_from_slice(if line.starts_with(b"QUIT") {
                    b"221 bye\r\n"
                } else {
                    b"250 ok\r\n"
                });
            }
        }
    }

    fn play(mut self) -> (Vec<u8>, Vec<u8>) {
        self.dialogue.inbox(Peer::Client).room().extend_from_slice(CLIENT);
        for _ in 0..100_000 {
            match self.dialogue.step() {
                Step::Call => self.call(),
                Step::Consult(_) => self.dialogue.judged(match self.held {
                    true => Ruling::Hold { name: "we".to_owned(), rule: "held" },
                    false => Ruling::Pass,
                }),
                Step::Write(peer, bytes) => {
                    let bytes = bytes[..bytes.len().min(self.piece)].to_vec();
                    match peer {
                        Peer::Client => self.to_client.extend_from_slice(&bytes),
                        Peer::Mta => self.mta_got(&bytes),
                    }
                    self.dialogue.sent(peer, bytes.len());
                }
                Step::HangUp => self.connected = false,
                Step::Close(_) => return (self.to_client, self.to_mta),
                Step::Await if self.connected && !self.says.is_empty() => {
                    let count = self.says.len().min(self.piece);
                    let said: Vec<_> = self.says.drain(..count).collect();
                    self.dialogue.inbox(Peer::Mta).room().extend_from_slice(&said);
                }
                Step::Await if self.connected && self.closes => self.dialogue.closed(Peer::Mta),
                // The client has said all, and goes.
                Step::Await => self.dialogue.closed(Peer::Client),
                Step::Record(_) => {}
                _ => panic!("nothing is kept or encrypted"),
            }
        }
        panic!("no end");
    }
}

#[test]
fn nothing_of_the_client_before_its_greeting() {
    let mut greeted = 0;
    for seed in 1..20_000_u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (whole, told) = Run::new(seed, usize::MAX).play();
        let (cut, told_cut) = Run::new(seed, 1).play();
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!((show(&whole), show(&told)), (show(&cut), show(&told_cut)), "{seed:x}");
        let greetings =
            whole.split(|&b| b == b'\n').filter(|line| line.starts_with(b"220 ")).count();
        assert!(greetings <= 1, "{}", show(&whole));
        greeted += greetings;
    }
    assert!(greeted > 1000, "{greeted}");
}
