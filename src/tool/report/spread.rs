//! The same sender and recipient from clients that have nothing to do with each other
//! within an hour: no mail server does that, many machines of one master do.
//!
//! A small table in which newer ones take the places of older ones: what is looked for
//! happens within seconds.

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

pub(super) struct Spread(Vec<Place>);

impl Default for Spread {
    fn default() -> Self {
        Spread(vec![Place::default(); PLACES])
    }
}

impl Spread {
    /// Notes a try, and tells whether there are as many clients as can be told apart.
    #[allow(clippy::cast_possible_truncation, reason = "a shorter hash is a hash")]
    pub(super) fn is(&mut self, of: u64, client: u64, time: u32) -> bool {
        let Some(place) = self.0.get_mut(of as usize % PLACES) else { return false };
        let (of, client) = ((of >> 32) as u32, (client >> 32) as u32 | 1);
        if place.of != of || time.saturating_sub(place.since) > TOGETHER {
            *place = Place { of, since: time, clients: [0; CLIENTS] };
        }
        for known in &mut place.clients {
            if *known == 0 {
                *known = client;
                break;
            }
            if *known == client {
                break;
            }
        }
        place.clients.last().is_some_and(|last| *last != 0)
    }
}
