//! The same sender and recipient from clients that have nothing to do with each other
//! within an hour: no mail server does that, many machines of one master do.
//!
//! A small table in which newer ones take the places of older ones: what is looked for
//! happens within minutes.

use std::collections::HashSet;

use foldhash::quality::RandomState;

/// Places, and clients that are told apart.
const PLACES: usize = 1 << 16;
const CLIENTS: usize = 4;
const TOGETHER: u32 = 3600;

#[derive(Clone, Copy, Default)]
struct Place {
    of: u32,
    since: u32,
    clients: [u32; CLIENTS],
}

/// Senders and recipients that are remembered for it.
const REMEMBERED: usize = 1 << 18;

pub(super) struct Spread {
    places: Vec<Place>,
    found: HashSet<u32, RandomState>,
}

impl Default for Spread {
    fn default() -> Self {
        Spread { places: vec![Place::default(); PLACES], found: HashSet::default() }
    }
}

impl Spread {
    /// Notes a try of this sender and recipient.
    #[allow(clippy::cast_possible_truncation, reason = "a shorter hash is a hash")]
    pub(super) fn note(&mut self, of: u64, client: u64, time: u32) {
        let Some(place) = self.places.get_mut(of as usize % PLACES) else { return };
        let (of, client) = (short(of), short(client) | 1);
        if place.of != of || time.saturating_sub(place.since) > TOGETHER {
            *place = Place { of, since: time, clients: [0; CLIENTS] };
        }
        for known in &mut place.clients {
            if *known == 0 {
                *known = client;
                break;
            }
            if *known == client {
                return;
            }
        }
        let many = place.clients.last().is_some_and(|last| *last != 0);
        if many && self.found.len() < REMEMBERED {
            self.found.insert(of);
        }
    }

    /// Were there as many clients at a time as can be told apart? By [`short`].
    pub(super) fn was(&self, of: u32) -> bool {
        self.found.contains(&of)
    }
}

/// What is remembered of a hash.
#[allow(clippy::cast_possible_truncation, reason = "a shorter hash is a hash")]
pub(super) fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}
