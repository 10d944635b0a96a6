//! Encryption of the client's connection: by us, or by the MTA past us.

use std::io;

use super::Session;
use crate::config::tls;
use crate::dialogue::{Dialogue, Peer};
use crate::encryption::Encryption;
use crate::io::{Event, Interest};
use crate::limits;
use crate::smtp::ehlo::StartTls;
use crate::stage::Stages;
use crate::sys;
use crate::tls::{Server, Tls};

/// Octets that go past us at once.
const BLOCK: usize = 16 * 1024;

/// What to say of why there is no encrypted connection, or no longer.
pub(super) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "TLS: the connection was closed in the middle".to_owned(),
        io::ErrorKind::TimedOut => "TLS: no handshake in time".to_owned(),
        _ => format!("TLS: {error}"),
    }
}

impl Session {
    /// What becomes of STARTTLS in this session, in which filters are asked so.
    #[inline(always)]
    pub(super) fn starttls(&self, consult: Stages) -> StartTls {
        match &self.settings.tls {
            None if consult == Stages::NONE => StartTls::Pass,
            settings => tls::starttls(settings.as_deref(), self.chain.looks_inside()),
        }
    }

    /// Does the client begin with TLS?
    #[inline(always)]
    pub(super) fn begins_with_tls(&self) -> bool {
        self.settings.tls.as_ref().is_some_and(|tls| tls.implicit)
    }

    /// The client speaks TLS first, before anything else is done.
    #[cold]
    pub(super) fn begin_with_tls(&mut self, dialogue: &mut Dialogue) {
        match self.server() {
            Ok(connection) => {
                self.wires.prepare(connection);
                self.shake_hands(dialogue);
            }
            Err(why) => {
                self.trouble(&why);
                dialogue.not_encrypted(&why);
            }
        }
    }

    /// Gets ready to encrypt.
    #[cold]
    pub(super) fn prepare(&mut self, dialogue: &mut Dialogue) {
        match self.server() {
            Ok(connection) => {
                self.wires.prepare(connection);
                dialogue.ready_to_encrypt();
            }
            Err(why) => {
                self.trouble(&why);
                dialogue.cannot_encrypt();
            }
        }
    }

    fn server(&mut self) -> Result<Tls, String> {
        let Some(settings) = &self.settings.tls else { return Err("TLS is not configured".into()) };
        let (server, note) = Server::new(settings, self.settings.state)?;
        if let Some(note) = note {
            self.note(&note);
        }
        Tls::new(server)
    }

    /// Encrypts the client's connection; what it sent in clear text behind STARTTLS is
    /// thrown away.
    #[cold]
    pub(super) fn encrypt(&mut self, dialogue: &mut Dialogue, discarded: usize) {
        self.note_discarded(discarded);
        if self.shake_hands(dialogue) {
            dialogue.encrypted();
        }
    }

    /// The handshake; false if there was none.
    fn shake_hands(&mut self, dialogue: &mut Dialogue) -> bool {
        let limit = self.settings.time_limit.unwrap_or(limits::HANDSHAKE).min(limits::HANDSHAKE);
        match self.wires.encrypt(limit) {
            Ok(encryption) => {
                self.encryption = Some(Box::new(encryption));
                true
            }
            Err(error) => {
                dialogue.not_encrypted(&why(&error));
                false
            }
        }
    }

    fn note_discarded(&mut self, discarded: usize) {
        if discarded > 0 {
            self.note(&format!("{discarded} octets sent behind STARTTLS were thrown away"));
        }
    }

    /// Client and MTA encrypt; their octets are passed as they are, until both have
    /// closed or neither has said a word for long.
    #[cold]
    pub(super) fn tunnel(&mut self, dialogue: &mut Dialogue, discarded: usize) {
        self.note_discarded(discarded);
        self.wires.end_trace();
        self.encryption = Some(Box::<Encryption>::default());
        let limit = self.settings.time_limit.unwrap_or(limits::TUNNEL_WAIT);
        let mut ways = [Way::from(Peer::Client), Way::from(Peer::Mta)];
        let (mut octets, mut said) = (0, String::new());
        while !ways.iter().all(|way| way.is_over()) {
            if sys::terminated() || sys::time_is_up() {
                said = "the session was to end".to_owned();
                break;
            }
            let [client, mta] = &ways;
            let interest = Interest {
                client_in: client.wants(),
                client_out: !mta.octets.is_empty(),
                mta_in: mta.wants(),
                mta_out: !client.octets.is_empty(),
            };
            let heard = self.program.as_ref().map_or(-1, |program| program.errors());
            // A client that is told that the MTA has closed has nothing left to do.
            let limit = if mta.is_over() { limit.min(limits::LINGER) } else { limit };
            match self.wires.wait_with(interest, heard, limit) {
                Ok((Event::Ready { client, mta }, program)) => {
                    if program {
                        self.hear_program();
                    }
                    for (way, readable) in ways.iter_mut().zip([client, mta]) {
                        octets += self.move_along(way, readable);
                    }
                }
                Ok((Event::TimedOut, _)) => {
                    let [_, mta] = &ways;
                    said =
                        if mta.is_over() { "" } else { "nothing was said for too long" }.to_owned();
                    break;
                }
                Ok((Event::Signal, _)) => {}
                Err(error) => {
                    said = format!("cannot wait: {error}");
                    break;
                }
            }
        }
        dialogue.tunnelled(octets, &said);
    }

    /// Reads and writes what there is on its way; gives how much came of the client.
    fn move_along(&mut self, way: &mut Way, readable: bool) -> u64 {
        let mut read = 0;
        if readable && way.wants() {
            match self.wires.receive(way.from, &mut way.octets) {
                Ok(0) => way.closed = true,
                Ok(count) => read = count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => way.closed = true,
            }
        }
        if !way.octets.is_empty() {
            match self.wires.send(way.from.other(), &way.octets) {
                Ok(count) => drop(way.octets.drain(..count)),
                Err(_) => {
                    way.closed = true;
                    way.octets.clear();
                }
            }
        }
        if way.is_over() && !std::mem::replace(&mut way.told, true) {
            match way.from {
                Peer::Client => self.wires.finish_sending_to_mta(),
                Peer::Mta => self.wires.finish_sending(),
            }
        }
        if way.from == Peer::Client { read } else { 0 }
    }
}

/// One direction of what goes past us.
struct Way {
    from: Peer,
    octets: Vec<u8>,
    closed: bool,
    /// The other end knows that it is over.
    told: bool,
}

impl Way {
    fn from(from: Peer) -> Way {
        Way { from, octets: Vec::with_capacity(BLOCK), closed: false, told: false }
    }

    fn wants(&self) -> bool {
        !self.closed && self.octets.is_empty()
    }

    fn is_over(&self) -> bool {
        self.closed && self.octets.is_empty()
    }
}
