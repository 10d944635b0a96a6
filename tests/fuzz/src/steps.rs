//! Does the dialogue's steps on wires that are made of memory, in the order in
//! which the session does them on sockets.

use smtp_wrapper::dialogue::{Dialogue, Ending, Peer, Step};
use smtp_wrapper::smtp::standing;
use smtp_wrapper::stage::Stage;

use crate::driver::{Run, Wire};
use crate::filters::{Filters, Says, Trouble};
use crate::{WAITING, heap};

/// A step, without what it lends.
enum Done {
    Call,
    Wrote(Peer, Vec<u8>),
    HungUp,
    Consult(Stage),
    Keep(Vec<u8>),
    Poured(bool),
    Unreadable,
    Await,
    Close(Ending),
}

impl Run {
    /// The steps up to the next wait.
    pub fn steps(&mut self) {
        let (mut idle, before) = (0, self.moved);
        loop {
            idle += 1;
            let done = self.moved - before;
            assert!(idle <= 16 + 2 * done, "no end of steps");
            let live = heap::live();
            let step = self.dialogue.step();
            self.holds += heap::live() - live;
            let done = match step {
                Step::Call => Done::Call,
                Step::Write(peer, bytes) => {
                    assert!(!bytes.is_empty(), "nothing is to be written");
                    assert!(bytes.len() <= WAITING[peer as usize], "{} wait", bytes.len());
                    Done::Wrote(peer, bytes[..bytes.len().min(self.taken)].to_vec())
                }
                Step::HangUp => Done::HungUp,
                Step::Consult(stage) => Done::Consult(stage),
                Step::Keep(octets) => {
                    assert!(!octets.is_empty(), "nothing is to be kept");
                    Done::Keep(octets[..octets.len().min(self.taken)].to_vec())
                }
                Step::Pour(into) => {
                    let live = heap::live();
                    into.reserve(smtp_wrapper::limits::CLIENT_INBOX);
                    let rest = &self.filters.kept[self.filters.poured..];
                    let count = rest.len().min(into.capacity() - into.len()).min(self.taken);
                    into.extend_from_slice(&rest[..count]);
                    let last = count == rest.len();
                    self.holds += heap::live() - live;
                    if self.filters.is_unreadable(count) {
                        Done::Unreadable
                    } else {
                        self.filters.poured += count;
                        Done::Poured(last)
                    }
                }
                Step::Record(record) => {
                    self.record(&record);
                    self.moved += 1;
                    self.held(|_| drop(record));
                    continue;
                }
                Step::Prepare | Step::Encrypt(_) | Step::Tunnel(_) => {
                    unreachable!("STARTTLS is hidden")
                }
                Step::Await => Done::Await,
                Step::Close(ending) => Done::Close(ending),
            };
            if !self.does(done) {
                return;
            }
        }
    }

    /// False when there is nothing to do but wait.
    fn does(&mut self, done: Done) -> bool {
        match done {
            Done::Call => self.call(),
            Done::Wrote(peer, bytes) => return self.write(peer, &bytes) || self.blocked(peer),
            Done::HungUp => {
                assert!(self.connected, "no MTA to hang up");
                self.connected = false;
                self.filters.may_call = false;
                self.shows(">M! closed");
            }
            Done::Consult(stage) => {
                self.moved += 1;
                self.consult(stage);
            }
            Done::Keep(octets) => {
                self.moved += octets.len();
                self.keep(&octets);
            }
            Done::Poured(last) => {
                self.moved += 1;
                self.held(|dialogue| dialogue.poured(last));
            }
            Done::Unreadable => self.held(|dialogue| dialogue.lost(Peer::Mta)),
            Done::Await => return false,
            Done::Close(ending) => {
                self.shows(&format!("S! {}", ending.name()));
                self.over = Some(ending);
                return false;
            }
        }
        true
    }

    fn shows(&self, what: &str) {
        if self.show {
            println!("    {what}");
        }
    }

    fn call(&mut self) {
        let held = self.filters.held;
        assert!(!self.connected, "a second connection");
        assert!(self.calls == 0 || held, "called again");
        assert!(!held || self.filters.may_call, "called for a held client");
        self.calls += 1;
        self.moved += 1;
        if self.refuses {
            self.filters.may_call = false;
            return self.held(|dialogue| dialogue.lost(Peer::Mta));
        }
        let wire = &mut self.wires[Peer::Mta as usize];
        *wire = Wire { stalled: wire.stalled, ..Wire::default() };
        self.connected = true;
        self.mta.connected(held);
        self.held(Dialogue::called);
    }

    /// Writes as much as the peer takes; false if it takes nothing now.
    fn write(&mut self, peer: Peer, bytes: &[u8]) -> bool {
        assert!(peer == Peer::Client || self.connected, "written to no MTA");
        let wire = &mut self.wires[peer as usize];
        if wire.broken {
            wire.noticed = true;
            self.held(|dialogue| dialogue.lost(peer));
            return true;
        }
        if wire.stalled {
            return false;
        }
        let name = if peer == Peer::Client { "S" } else { ">M" };
        self.shows(&format!("{name}= {}", bytes.escape_ascii()));
        match peer {
            Peer::Client => self.client.got(bytes, &self.mta, &mut self.filters),
            Peer::Mta => {
                assert!(
                    !self.filters.held || self.filters.may_call,
                    "the MTA hears of a held client"
                );
                if bytes.starts_with(b"D") {
                    let unread = self.dialogue.inbox(Peer::Client).room().len();
                    self.mta.in_place_of_bdat = self.client.said_bdat(unread);
                }
                let known = self.mta.units.len();
                self.mta.got(bytes, self.filters.due(&self.client));
                for to in self.mta.recipients(known) {
                    self.filters.mta_gets(&to);
                }
            }
        }
        self.written += bytes.len();
        self.moved += bytes.len();
        self.held(|dialogue| dialogue.sent(peer, bytes.len()));
        true
    }

    /// A peer takes nothing now: the other one, and the log, are not to wait.
    fn blocked(&mut self, peer: Peer) -> bool {
        let other = peer.other();
        let bytes = self.dialogue.pending(other);
        let begins = bytes.starts_with(b"BDAT ") || bytes.starts_with(b"DATA\r\n");
        let bytes = bytes[..bytes.len().min(self.taken)].to_vec();
        // Mail data that is sent before its 354 has been read would have to be told from what
        // came before by reading ahead.
        let in_data = self.mta.is_in_data() || begins;
        let unasked = other == Peer::Mta && in_data && !self.filters.plan.keep;
        if !bytes.is_empty() && !unasked && self.write(other, &bytes) {
            return true;
        }
        let Some(record) = self.held(Dialogue::take_record) else {
            return false;
        };
        self.record(&record);
        self.moved += 1;
        self.held(|_| drop(record));
        true
    }

    fn consult(&mut self, stage: Stage) {
        let unread = self.dialogue.inbox(Peer::Client).room().len();
        let at = self.client.arrived() - unread;
        let view = self.dialogue.view();
        let subject = view.recipient.map(<[u8]>::to_vec).unwrap_or_default();
        let line = self.client.line_at(at);
        match stage {
            Stage::Rcpt => assert_eq!(crate::client::path(line).as_ref(), Some(&subject)),
            Stage::Helo => assert_eq!(view.hello, line),
            Stage::Message => {
                let kept = Some((&self.filters.kept[..], true));
                let chunks = self.client.chunks_as_data();
                let chunks = chunks.as_ref().map(|(data, whole)| (&data[..], *whole));
                assert!(chunks.or(self.client.data()) == kept, "not what the client sent is kept");
                assert!(!view.to.is_empty() && view.from.is_some(), "a message from or to nobody");
            }
            _ => {}
        }
        let (says, hears) = self.filters.ask(stage, at);
        self.shows(&format!("F: {} {says:?}", stage.name()));
        if hears && self.hear() {
            return;
        }
        let number = self.filters.asked;
        match says {
            Says::Gone => return self.client_is_gone(),
            Says::Terminated => {
                return self.held(|dialogue| dialogue.end(&standing::SHUTTING_DOWN));
            }
            _ => self.held(|dialogue| dialogue.judged(Filters::ruling(says, number))),
        }
        self.filters.ruled(stage, subject, says);
        if let (Stage::Message, Some(chunk)) = (stage, self.client.chunk()) {
            self.filters.of = chunk.text();
        }
        self.mta.to_reset |= matches!((stage, says), (Stage::Message, Says::Refuse(450 | 554)));
    }

    /// While a filter waits, the client is heard; has it gone?
    fn hear(&mut self) -> bool {
        loop {
            let room = self.dialogue.inbox(Peer::Client).room();
            let (free, unread) = (room.capacity() - room.len(), room.len());
            let wire = &self.wires[Peer::Client as usize];
            if wire.noticed {
                let left = wire.broken || unread == 0;
                if left && !wire.broken {
                    self.client_is_gone();
                }
                return left;
            }
            if free == 0 || !self.receive(Peer::Client) {
                return false;
            }
        }
    }

    fn client_is_gone(&mut self) {
        let wire = &mut self.wires[Peer::Client as usize];
        (wire.broken, wire.noticed) = (true, true);
        self.held(|dialogue| dialogue.lost(Peer::Client));
    }

    fn keep(&mut self, octets: &[u8]) {
        let begins = self.dialogue.message_begins();
        let trouble = self.filters.keep(octets, begins);
        if let Some(trouble) = trouble {
            self.shows(&format!("F! {trouble:?}"));
        }
        let reply = match trouble {
            None | Some(Trouble::Unreadable) => {
                self.filters.kept.extend_from_slice(octets);
                return self.held(|dialogue| dialogue.kept(octets.len()));
            }
            Some(Trouble::Gone) => return self.client_is_gone(),
            Some(Trouble::Terminated) => {
                return self.held(|dialogue| dialogue.end(&standing::SHUTTING_DOWN));
            }
            Some(Trouble::NoRoom) => &standing::NO_ROOM,
            Some(Trouble::TooLarge) => &standing::MESSAGE_TOO_LARGE,
        };
        // Whether the MTA is left depends on whether the message's end is here.
        self.comparable = false;
        self.mta.to_reset |= self.dialogue.has_whole_message(octets.len());
        self.held(|dialogue| dialogue.cannot_keep(reply));
    }

    /// Receives from a peer what there is, or that it is gone.
    pub fn receive(&mut self, peer: Peer) -> bool {
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
    pub fn obey(&mut self) -> bool {
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
}
