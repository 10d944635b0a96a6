//! A stub resolver: asks the name servers of the system, in parallel, within one
//! time limit, and tells "no such name" from "no answer", which the C library
//! does not (musl's gives the same error for both).
//!
//! It does no waiting of its own: whoever asks waits for [`Queries::fds`] among
//! other things. UDP with a port and a number that an impostor would have to guess, TCP
//! when an answer does not fit (RFC 1035 4.2, RFC 5452). No EDNS: the answers to
//! what is asked here fit in 512 octets, and old middleboxes drop what they do
//! not know. A socket serves one question after the other. Nothing is kept between sessions; that is the name server's task.

pub mod config;
mod message;
mod query;

use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use config::Config;
use query::Query;

/// Questions of one session; those beyond it are not asked.
const QUESTIONS: usize = 32;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The names of an address, by its [`reverse_name`].
    Ptr,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These, at least one and at most 16.
    Records(Vec<Record>),
    /// There is no such name.
    NoName,
    /// The name has nothing of the kind.
    NoData,
    /// There is no telling.
    Trouble(Trouble),
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An address; IPv4-mapped IPv6 is plain IPv4.
    Ip(IpAddr),
    /// A name in printable ASCII without its final dot; other octets are `\DDD`.
    Name(Vec<u8>),
}

/// Why there is no telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No answer in time.
    TimedOut,
    /// The name servers cannot be reached.
    Unreachable,
    /// What came made no sense.
    Malformed,
    /// The name servers do not answer this question, or not us.
    Refused,
    /// The name servers could not find out (SERVFAIL).
    ServFail,
}

impl Trouble {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Trouble::TimedOut => "timeout",
            Trouble::Unreachable => "unreachable",
            Trouble::Malformed => "malformed",
            Trouble::Refused => "refused",
            Trouble::ServFail => "servfail",
        }
    }
}

/// The questions of one session.
pub struct Queries {
    config: Config,
    end: Instant,
    queries: Vec<Query>,
    /// What is read is read into this.
    room: Vec<u8>,
}

impl Queries {
    /// None yet; all are answered, or given up, by this time.
    #[must_use]
    pub fn new(config: Config, end: Instant) -> Queries {
        Queries { config, end, queries: Vec::with_capacity(2), room: Vec::new() }
    }

    /// Asks for a name, at this time; gives the number of the question.
    pub fn ask(&mut self, name: &[u8], kind: Kind, now: Instant) -> usize {
        let asked = self.queries.len();
        let query = match asked < QUESTIONS {
            true => {
                let spare = self.queries.iter_mut().find_map(Query::spare);
                Query::start(&self.config, name, kind, spare, now)
            }
            false => Query::given_up(kind, now),
        };
        self.queries.push(query);
        asked
    }

    /// What to wait for.
    pub fn fds(&self, into: &mut Vec<libc::pollfd>) {
        into.extend(self.queries.iter().filter_map(Query::pollfd));
    }

    /// When to go on at the latest; `None` when everything is answered.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        let next = self.queries.iter().filter_map(Query::wakes_at).min();
        next.map(|next| next.min(self.end))
    }

    /// Goes on with all questions, as far as that takes no waiting.
    pub fn advance(&mut self, now: Instant) {
        for query in &mut self.queries {
            query.advance(&self.config, now, &mut self.room);
            if now >= self.end {
                query.give_up();
            }
            query.clock(now);
        }
    }

    /// How long the answer to a question took.
    #[must_use]
    pub fn took(&self, question: usize) -> Duration {
        self.queries.get(question).map(Query::took).unwrap_or_default()
    }

    /// What came of a question; `None` as long as it is open.
    #[must_use]
    pub fn answer(&self, question: usize) -> Option<&Answer> {
        self.queries.get(question).and_then(Query::answer)
    }
}

/// The name under which the names of an address are found (RFC 1035 3.5, RFC
/// 3596 2.5).
#[must_use]
pub fn reverse_name(ip: IpAddr) -> Vec<u8> {
    let mut name = Vec::with_capacity(80);
    match ip {
        IpAddr::V4(ip) => {
            for octet in ip.octets().into_iter().rev() {
                if octet >= 100 {
                    name.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    name.push(b'0' + octet / 10 % 10);
                }
                name.extend([b'0' + octet % 10, b'.']);
            }
            name.extend(b"in-addr.arpa");
        }
        IpAddr::V6(ip) => {
            let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            for octet in ip.octets().into_iter().rev() {
                name.extend([hex(octet & 15), b'.', hex(octet >> 4), b'.']);
            }
            name.extend(b"ip6.arpa");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses() {
        for (ip, name) in [
            ("192.0.2.7", "7.2.0.192.in-addr.arpa"),
            ("255.10.100.0", "0.100.10.255.in-addr.arpa"),
            (
                "2001:db8::1f",
                "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            let shown = ip.parse().map(reverse_name);
            assert_eq!(shown.as_deref(), Ok(name.as_bytes()));
        }
    }
}
