//! Plays a program: does the dialogue's steps on wires that are made of memory,
//! in the order in which `session.rs` does them on sockets.

use smtp_wrapper::dialogue::{Dialogue, Ending, Peer, Plan, Record, Step};
use smtp_wrapper::limits;
use smtp_wrapper::smtp::standing;
use smtp_wrapper::stage::Stage;

use crate::client::{Client, Fate};
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
        // How many more commands of a group went to an MTA that then fails
        // depends on whether its last words came in one piece.
        let got = if self.mta_failed && other.mta_failed {
            self.to_mta.starts_with(&other.to_mta) || other.to_mta.starts_with(&self.to_mta)
        } else {
            self.to_mta == other.to_mta
        };
        got && self.to_client == other.to_client
            && self.fates == other.fates
            && self.ending == other.ending
    }
}

/// The wire between us and a peer.
#[derive(Default)]
struct Wire {
    /// Sent by the peer, not received yet.
    pending: Vec<u8>,
    at: usize,
    closed: bool,
    broken: bool,
    /// We know that it is closed or broken.
    noticed: bool,
    /// It takes nothing now.
    stalled: bool,
}

struct Run {
    dialogue: Dialogue,
    client: Client,
    mta: Mta,
    wires: [Wire; 2],
    /// The MTA's connection is there.
    connected: bool,
    obedient: bool,
    /// In pieces of how many octets is received and written.
    arrives: usize,
    taken: usize,
    fates: Vec<Fate>,
    over: Option<Ending>,
    received: usize,
    written: usize,
    recorded: usize,
    /// The heap that the dialogue holds.
    holds: isize,
    comparable: bool,
    /// The client may have been given up because it took no replies.
    deaf: bool,
    show: bool,
}

/// Plays the events; in pieces of `piece` octets, if given, whatever they say.
pub fn play(events: &[Event], obedient: bool, piece: Option<usize>, show: bool) -> Outcome {
    let before = heap::live();
    let dialogue = Dialogue::new(Plan::default());
    let mut run = Run {
        dialogue,
        client: Client::new(),
        mta: Mta::new(),
        wires: Default::default(),
        connected: false,
        obedient,
        arrives: piece.unwrap_or(usize::MAX),
        taken: piece.unwrap_or(usize::MAX),
        fates: Vec::new(),
        over: None,
        received: 0,
        written: 0,
        recorded: 0,
        holds: 0,
        comparable: true,
        deaf: false,
        show,
    };
    run.holds = heap::live() - before;
    let refuses = matches!(events.first(), Some(Event::Breaks(Peer::Mta)));
    run.wires[Peer::Mta as usize].broken = refuses;
    run.settle();
    for event in events {
        if run.over.is_some() {
            break;
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
            Event::Closes(peer) => self.wires[peer as usize].closed = true,
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
        }
    }

    /// Does something with the dialogue and notes what memory it takes.
    fn held<T>(&mut self, does: impl FnOnce(&mut Dialogue) -> T) -> T {
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

    /// The steps up to the next wait.
    fn steps(&mut self) {
        let (mut idle, before) = (0, self.written + self.recorded);
        loop {
            idle += 1;
            let done = self.written + self.recorded - before;
            assert!(idle <= 16 + done, "no end of steps");
            let live = heap::live();
            let step = self.dialogue.step();
            self.holds += heap::live() - live;
            match step {
                Step::Call => {
                    let refused = self.wires[Peer::Mta as usize].broken;
                    self.connected = !refused;
                    if refused {
                        self.wires[Peer::Mta as usize].noticed = true;
                        self.held(|dialogue| dialogue.lost(Peer::Mta));
                    } else {
                        self.held(Dialogue::called);
                    }
                }
                Step::Write(peer, bytes) => {
                    let wire = &mut self.wires[peer as usize];
                    assert!(!bytes.is_empty(), "nothing is to be written");
                    assert!(bytes.len() <= WAITING[peer as usize], "{} wait", bytes.len());
                    assert!(peer == Peer::Client || self.connected, "written to no MTA");
                    if wire.broken {
                        wire.noticed = true;
                        self.held(|dialogue| dialogue.lost(peer));
                    } else if wire.stalled {
                        return;
                    } else {
                        let bytes = &bytes[..bytes.len().min(self.taken)];
                        if self.show {
                            let name = if peer == Peer::Client { "S" } else { ">M" };
                            println!("    {name}= {}", bytes.escape_ascii());
                        }
                        match peer {
                            Peer::Client => self.client.got(bytes, &self.mta),
                            Peer::Mta => self.mta.got(bytes, self.client.data()),
                        }
                        let count = bytes.len();
                        self.written += count;
                        self.held(|dialogue| dialogue.sent(peer, count));
                    }
                }
                Step::HangUp => {
                    assert!(self.connected, "no MTA to hang up");
                    self.connected = false;
                    if self.show {
                        println!("    >M! closed");
                    }
                }
                Step::Record(record) => {
                    self.record(&record);
                    self.recorded += 1;
                    self.held(|_| drop(record));
                }
                Step::Await => return,
                Step::Consult(_) | Step::Keep(_) | Step::Pour(_) => panic!("without filters"),
                Step::Close(ending) => {
                    if self.show {
                        println!("    S! {}", ending.name());
                    }
                    self.over = Some(ending);
                    return;
                }
            }
        }
    }

    fn record(&mut self, record: &Record) {
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

    /// Receives from a peer what there is, or that it is gone.
    fn receive(&mut self, peer: Peer) -> bool {
        let wire = &mut self.wires[peer as usize];
        let unread = &wire.pending[wire.at..];
        if !unread.is_empty() {
            let live = heap::live();
            let room = self.dialogue.inbox(peer).room();
            let free = room.capacity() - room.len();
            assert!(free > 0, "it wants more and has no room");
            let bytes = &unread[..unread.len().min(free).min(self.arrives)];
            room.extend_from_slice(bytes);
            self.holds += heap::live() - live;
            self.received += bytes.len();
            match peer {
                Peer::Client => self.client.sends(bytes),
                Peer::Mta => self.mta.says(bytes),
            }
            wire.at += bytes.len();
            if wire.at == wire.pending.len() {
                wire.pending.clear();
                wire.at = 0;
            }
            return true;
        }
        if wire.noticed || !(wire.broken || wire.closed) {
            return false;
        }
        wire.noticed = true;
        let broken = wire.broken;
        self.held(|dialogue| if broken { dialogue.lost(peer) } else { dialogue.closed(peer) });
        true
    }

    /// The obedient MTA says what it has to.
    fn obey(&mut self) -> bool {
        let wire = &mut self.wires[Peer::Mta as usize];
        if !self.obedient
            || !self.connected
            || wire.closed
            || wire.broken
            || !wire.pending.is_empty()
        {
            return false;
        }
        let Some((bytes, closes)) = self.mta.obey() else {
            return false;
        };
        if self.show {
            println!("M= {}", bytes.escape_ascii());
        }
        wire.pending.extend(bytes);
        wire.closed = closes;
        true
    }

    /// Nothing happens until a peer does something: is that as it should be?
    fn at_rest(&self) {
        let output = 4096 + 40 * self.received;
        assert!(self.written <= output, "{} octets for {}", self.written, self.received);
        let transaction = self.client.recipients().len().min(limits::RECIPIENTS + limits::PIPELINE);
        let most = 4 * (WAITING[0] + WAITING[1]) + transaction * (limits::COMMAND_LINE + 64);
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
