//! A program: octets, in which those from 0xED on are marks and all others are
//! what the peer sends whose mark came last. Text between marks survives the
//! fuzzer's mutations, and a program can be read with `strings`.
//!
//! ```text
//! EE n  as the first mark: the plan; filters are asked at connect (1), helo (2), mail (4), rcpt (8),
//!       look at messages (16); replies are the original's (32)
//! EF n  what the filters say next (n mod 8): pass, hold, 450, 421, 554, message changed (in which of eight ways:
//!       n / 16), client gone, SIGTERM; with 8, they hear the client meanwhile; with 128, they always say so from
//!       then on; before all else, if they are asked at connect
//! ED n  the next mail data that is kept for them beyond 3 * (n / 8) octets (n mod 8): no room, too large, client
//!       gone, SIGTERM; or it cannot be read again
//! F0    the client sends what follows    F1    the MTA sends what follows
//! F2    the client closes                F4    the MTA closes
//! F3    the client's connection breaks   F5    the MTA's; when there is none: it cannot be made, or can again
//! F6    the time limit passes            F7    SIGTERM
//! F8 n  what is sent arrives in pieces of n octets (0: whole)
//! F9 n  writes are taken in pieces of n octets (0: whole)
//! FA    the client stops taking, or goes on     FB    the MTA
//! FC    the obedient MTA holds its replies, or gives those it held
//! FD n  what was sent last is sent again, 2^(n mod 12) times
//! FE n  the obedient MTA's next reply: see `mta::Mood`
//! FF x  the octet x, so that marks can be sent
//! ```

use std::fmt;

use smtp_wrapper::dialogue::Peer;

use crate::filters::Filters;

/// The first mark.
pub const MARKS: u8 = 0xED;

/// Octets of a program, repetitions included: more than any limit needs.
const MOST: usize = 160 * 1024;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Event {
    Sends(Peer, Vec<u8>),
    Closes(Peer),
    Breaks(Peer),
    TimePasses,
    Terminated,
    Arrives(usize),
    Taken(usize),
    Stalls(Peer),
    Holds,
    Mood(u8),
    Plan(u8),
    FiltersSay(u8),
    CannotKeep(u8),
}

impl fmt::Display for Event {
    /// In the notation of `tests/dialogues`, as far as it goes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |peer: &Peer| if *peer == Peer::Client { "C" } else { "M" };
        match self {
            Event::Sends(peer, bytes) if bytes.len() > 2000 => {
                write!(f, "{}= ({} octets)", name(peer), bytes.len())
            }
            Event::Sends(peer, bytes) => write!(f, "{}= {}", name(peer), bytes.escape_ascii()),
            Event::Closes(peer) => write!(f, "{}! closes", name(peer)),
            Event::Breaks(peer) => write!(f, "{}! breaks", name(peer)),
            Event::TimePasses => write!(f, "T! passes"),
            Event::Terminated => write!(f, "X! ends"),
            Event::Arrives(n) => write!(f, "# arrives in pieces of {n}"),
            Event::Taken(n) => write!(f, "# is taken in pieces of {n}"),
            Event::Stalls(peer) => write!(f, "# {} stops taking or goes on", name(peer)),
            Event::Holds => write!(f, "# M holds its replies or gives them"),
            Event::Mood(n) => write!(f, "# M's mood is {}", n % 8),
            Event::Plan(n) => write!(f, "# the plan is {n}: {:?}", Filters::plan(*n)),
            Event::FiltersSay(n) => write!(f, "# F will say {}, {:#x}", n % 8, n),
            Event::CannotKeep(n) => write!(f, "# trouble {} behind {} octets", n % 8, n / 8 * 3),
        }
    }
}

/// Octets sent in it.
pub fn length(events: &[Event]) -> usize {
    let sent = |event: &Event| if let Event::Sends(_, bytes) = event { bytes.len() } else { 0 };
    events.iter().map(sent).sum()
}

/// Any octets are a program.
pub fn parse(input: &[u8]) -> Vec<Event> {
    let (mut events, mut peer, mut text) = (Vec::new(), Peer::Client, Vec::new());
    let mut left = MOST;
    let mut octets = input.iter().copied();
    while let Some(octet) = octets.next() {
        if octet < MARKS {
            text.push(octet);
            continue;
        }
        if octet == 0xFF {
            text.extend(octets.next());
            continue;
        }
        say(&mut events, peer, &mut text, &mut left);
        let mut argument = || octets.next().unwrap_or_default();
        events.push(match octet {
            0xF0 => {
                peer = Peer::Client;
                continue;
            }
            0xF1 => {
                peer = Peer::Mta;
                continue;
            }
            0xED => Event::CannotKeep(argument()),
            0xEE => Event::Plan(argument()),
            0xEF => Event::FiltersSay(argument()),
            0xF2 => Event::Closes(Peer::Client),
            0xF3 => Event::Breaks(Peer::Client),
            0xF4 => Event::Closes(Peer::Mta),
            0xF5 => Event::Breaks(Peer::Mta),
            0xF6 => Event::TimePasses,
            0xF7 => Event::Terminated,
            0xF8 => Event::Arrives(argument().into()),
            0xF9 => Event::Taken(argument().into()),
            0xFA => Event::Stalls(Peer::Client),
            0xFB => Event::Stalls(Peer::Mta),
            0xFC => Event::Holds,
            0xFD => {
                let times = 1 << (argument() % 12);
                let sent = |event: &Event| match event {
                    Event::Sends(peer, bytes) => Some((*peer, bytes.clone())),
                    _ => None,
                };
                if let Some((peer, bytes)) = events.iter().rev().find_map(sent) {
                    let times = times.min(left / bytes.len().max(1));
                    say(&mut events, peer, &mut bytes.repeat(times), &mut left);
                }
                continue;
            }
            _ => Event::Mood(argument()),
        });
    }
    say(&mut events, peer, &mut text, &mut left);
    events
}

fn say(events: &mut Vec<Event>, peer: Peer, text: &mut Vec<u8>, left: &mut usize) {
    if !text.is_empty() && text.len() <= *left {
        *left -= text.len();
        events.push(Event::Sends(peer, std::mem::take(text)));
    }
    text.clear();
}
