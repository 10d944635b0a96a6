//! Plays a program: what happens, and what must hold when nothing more does.

use smtp_wrapper::dialogue::{Dialogue, Ending, Peer, Record};
use smtp_wrapper::limits;
use smtp_wrapper::smtp::standing;
use smtp_wrapper::stage::Stage;

use crate::client::{Client, Fate};
use crate::filters::Filters;
use crate::mta::Mta;
use crate::program::Event;
use crate::{WAITING, heap};

/// What came of a program.
#[derive(Debug)]
pub struct Outcome {
    to_client: Vec<u8>,
    to_mta: Vec<u8>,
    fates: Vec<Fate>,
    ending: Option<Ending>,
    mta_failed: bool,
    /// May it be compared with that of other cuts?
    pub comparable: bool,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        // How many more commands of a group went to an MTA that then fails, and how many recipients
        // are given up with it, depends on whether its last words came in one piece.
        let failed = self.mta_failed && other.mta_failed;
        let got = if failed {
            self.to_mta.starts_with(&other.to_mta) || other.to_mta.starts_with(&self.to_mta)
        } else {
            self.to_mta == other.to_mta
        };
        let given_up = |fate: &&Fate| failed && fate.code == Some(421) && fate.at == Stage::Rcpt;
        let told = |fates: &[Fate]| -> Vec<Fate> {
            fates.iter().filter(|fate| !given_up(fate)).cloned().collect()
        };
        got && self.to_client == other.to_client
            && told(&self.fates) == told(&other.fates)
            && self.ending == other.ending
    }
}

/// The wire between us and a peer.
#[derive(Default)]
pub(crate) struct Wire {
    /// Sent by the peer, not received yet.
    pub pending: Vec<u8>,
    pub at: usize,
    pub closed: bool,
    pub broken: bool,
    /// We know that it is closed or broken.
    pub noticed: bool,
    /// It takes nothing now.
    pub stalled: bool,
}

pub(crate) struct Run {
    pub dialogue: Dialogue,
    pub client: Client,
    pub mta: Mta,
    pub filters: Filters,
    pub wires: [Wire; 2],
    /// The MTA's connection is there.
    pub connected: bool,
    /// It cannot be made now.
    pub refuses: bool,
    pub calls: usize,
    pub obedient: bool,
    /// In pieces of how many octets is received and written.
    pub arrives: usize,
    pub taken: usize,
    pub fates: Vec<Fate>,
    pub over: Option<Ending>,
    pub received: usize,
    pub written: usize,
    /// Steps that cannot go on for ever without something else: what was written and
    /// kept, in octets, records, questions, calls.
    pub moved: usize,
    /// The heap that the dialogue holds.
    pub holds: isize,
    pub comparable: bool,
    /// The client may have been given up because it took no replies.
    pub deaf: bool,
    pub show: bool,
}

/// Plays the events; in pieces of `piece` octets, if given, whatever they say.
pub fn play(events: &[Event], obedient: bool, piece: Option<usize>, show: bool) -> Outcome {
    let begin = events.iter().take_while(|event| match event {
        Event::Plan(_) | Event::FiltersSay(_) | Event::CannotKeep(_) => true,
        Event::Breaks(peer) => *peer == Peer::Mta,
        _ => false,
    });
    let (begin, events) = events.split_at(begin.count());
    let plan = match begin.first() {
        Some(Event::Plan(octet)) => Filters::plan(*octet),
        _ => Filters::plan(0),
    };
    let before = heap::live();
    let dialogue = Dialogue::new(plan);
    let holds = heap::live() - before;
    let mut run = Run {
        dialogue,
        client: Client::new(),
        mta: Mta::new(plan.keep),
        filters: Filters::new(plan),
        wires: Default::default(),
        connected: false,
        refuses: false,
        calls: 0,
        obedient,
        arrives: piece.unwrap_or(usize::MAX),
        taken: piece.unwrap_or(usize::MAX),
        fates: Vec::new(),
        over: None,
        received: 0,
        written: 0,
        moved: 0,
        holds,
        comparable: true,
        deaf: false,
        show,
    };
    run.mta.chunking = matches!(begin.first(), Some(Event::Plan(octet)) if octet & 0x40 != 0);
    for event in begin {
        if show {
            println!("{event}");
        }
        run.happens(event, piece.is_some());
    }
    run.settle();
    for event in events {
        if run.over.is_some() {
            break;
        }
        if show {
            println!("{event}");
        }
        run.happens(event, piece.is_some());
        run.settle();
        run.at_rest();
    }
    // At last all that waits is taken.
    for wire in &mut run.wires {
        wire.stalled = false;
    }
    if run.over.is_none() {
        run.settle();
        run.at_rest();
    }
    run.end()
}

impl Run {
    fn happens(&mut self, event: &Event, cut: bool) {
        // While a peer takes nothing, how much of what the client has sent is
        // dealt with, before this happens, depends on the cuts.
        let paced = !matches!(event, Event::Sends(..) | Event::Stalls(_));
        self.comparable &= !(paced && self.wires.iter().any(|wire| wire.stalled));
        let size = |n: usize| if n == 0 { usize::MAX } else { n };
        match *event {
            Event::Sends(peer, ref bytes) => {
                let wire = &mut self.wires[peer as usize];
                let mta_away = peer == Peer::Mta && !self.connected;
                if wire.closed || wire.broken || mta_away {
                    return;
                }
                wire.pending.extend_from_slice(bytes);
            }
            Event::Closes(Peer::Mta) if !self.connected => {}
            Event::Closes(peer) => self.wires[peer as usize].closed = true,
            Event::Breaks(Peer::Mta) if !self.connected => self.refuses ^= true,
            Event::Breaks(peer) => {
                let wire = &mut self.wires[peer as usize];
                wire.broken = true;
                wire.pending.clear();
                wire.at = 0;
            }
            Event::TimePasses => {
                self.client.time_passed = true;
                self.deaf |= self.wires.iter().any(|wire| wire.stalled);
                self.held(|dialogue| dialogue.expire());
            }
            Event::Terminated => self.held(|dialogue| dialogue.end(&standing::SHUTTING_DOWN)),
            Event::Arrives(n) if !cut => self.arrives = size(n),
            Event::Taken(n) if !cut => self.taken = size(n),
            Event::Arrives(_) | Event::Taken(_) => {}
            Event::Stalls(peer) => self.wires[peer as usize].stalled ^= true,
            Event::Holds => self.mta.holds ^= true,
            Event::Mood(n) => self.mta.mood = n,
            // Only as the first mark.
            Event::Plan(_) => {}
            Event::FiltersSay(n) => self.filters.script.push_back(n),
            Event::CannotKeep(n) => self.filters.trouble = Some(n),
        }
    }

    /// Does something with the dialogue and notes what memory it takes.
    pub fn held<T>(&mut self, does: impl FnOnce(&mut Dialogue) -> T) -> T {
        let before = heap::live();
        let result = does(&mut self.dialogue);
        self.holds += heap::live() - before;
        result
    }

    /// Goes on until nothing is left to do.
    fn settle(&mut self) {
        loop {
            self.steps();
            if self.over.is_some() {
                return;
            }
            let (wait, _) = self.dialogue.wait();
            assert!(!wait.is_zero() && !self.dialogue.place().is_empty());
            let wanted = [Peer::Client, Peer::Mta].map(|peer| self.dialogue.wants(peer));
            let moved = [
                wanted[0] && self.receive(Peer::Client),
                wanted[1] && self.connected && self.receive(Peer::Mta),
            ];
            if moved == [false; 2] && !self.obey() {
                return;
            }
        }
    }

    pub fn record(&mut self, record: &Record) {
        let outcome = &record.outcome;
        assert!(!record.transaction.to.is_empty(), "a record of nobody");
        for to in &record.transaction.to {
            let fate = Fate { to: to.clone(), code: outcome.code, at: outcome.at };
            if self.show {
                println!("    L: {fate:?} {}", outcome.rule);
            }
            self.fates.push(fate);
        }
    }

    /// Nothing happens until a peer does something: is that as it should be?
    fn at_rest(&self) {
        let output =
            4096 + 40 * self.received + self.calls * Filters::cost_of_call() + self.filters.added;
        assert!(self.written <= output, "{} octets for {}", self.written, self.received);
        let transaction = self.client.recipients().len().min(limits::RECIPIENTS + limits::PIPELINE);
        let most = 4 * (WAITING[0] + WAITING[1]) + 2 * transaction * (limits::COMMAND_LINE + 64);
        assert!(self.holds <= most as isize, "{} octets are held", self.holds);
        let stalled = self.wires.iter().any(|wire| wire.stalled);
        if self.over.is_some() || stalled || self.client.is_adrift() {
            return;
        }
        assert!(!self.client.last, "the last reply is sent, and the session goes on");
        let owes = self.connected && self.mta.owes();
        assert!(owes || !self.client.waits(), "a command is left without reply");
        assert!(owes || !self.wires[0].closed, "the client is gone, and the session goes on");
        assert!(!self.wires[1].noticed || !self.connected, "the MTA is gone, and it goes on");
        let within = self.client.chunk().is_some_and(|chunk| !chunk.whole);
        assert!(!self.mta.to_reset || !self.connected || within, "the MTA's transaction stands");
        let forgotten = self.filters.held && !self.filters.may_call;
        assert!(!self.connected || !forgotten, "the MTA of a held client");
    }

    fn end(mut self) -> Outcome {
        let deaf = self.deaf || self.wires[0].broken;
        let taken = |fate: &&Fate| fate.code.is_some_and(|c| c < 400) && fate.at != Stage::Rcpt;
        let passed = self.fates.iter().filter(taken).count();
        assert!(passed == 0 || self.mta.taken() > 0, "passed, and the MTA took nothing");
        assert!(self.client.taken <= self.mta.taken(), "taken, and the MTA took less");
        let mut left = self.client.recipients();
        for Fate { to, .. } in &self.fates {
            let at = left.iter().position(|sent| sent == to);
            left.swap_remove(at.unwrap_or_else(|| panic!("one fate too many: {to:?}")));
        }
        if self.over.is_some() && !deaf {
            self.client.abandoned();
            let mut fates: Vec<_> = self.fates.iter().map(|f| (&f.to, taken(&f))).collect();
            for (to, passed) in &self.client.decided {
                let at = fates.iter().position(|fate| *fate == (to, *passed));
                let at = at.unwrap_or_else(|| panic!("no record: {to:?} passed {passed}"));
                fates.swap_remove(at);
            }
            assert!(!fates.iter().any(|fate| fate.1), "passed, and not taken: {fates:?}");
        }
        let mta_failed = !self.connected && !self.mta.quits();
        Outcome {
            to_client: self.client.received,
            to_mta: self.mta.received,
            fates: self.fates,
            ending: self.over,
            mta_failed,
            comparable: self.comparable && !self.mta.unasked && !self.client.endless,
        }
    }
}
