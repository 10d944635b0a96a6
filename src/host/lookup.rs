//! The questions: first the names of the address, then the addresses of each.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Host, Iprev};
use crate::dns::{Answer, Config, Kind, Queries, Record, Trouble, reverse_name};

/// Names of one address that are looked at; more say nothing (RFC 7208 4.6.4
/// looks at ten).
const NAMES: usize = 10;

/// A lookup under way. Whoever waits for something else meanwhile waits for
/// [`Lookup::fds`] too, until [`Lookup::wakes_at`], and then calls
/// [`Lookup::advance`].
pub struct Lookup {
    ip: IpAddr,
    queries: Queries,
    began: Instant,
    ptr: usize,
    /// The names, and the question for the addresses of each.
    names: Option<Vec<(Vec<u8>, usize)>>,
}

impl Lookup {
    /// Asks for the names of an address; everything has come, or is given up,
    /// after `limit`.
    #[must_use]
    pub fn start(config: Config, ip: IpAddr, limit: Duration) -> Lookup {
        let began = Instant::now();
        let mut queries = Queries::new(config, began + limit);
        let ptr = queries.ask(&reverse_name(ip), Kind::Ptr, began);
        Lookup { ip, queries, began, ptr, names: None }
    }

    /// What to wait for.
    pub fn fds(&self, into: &mut Vec<libc::pollfd>) {
        self.queries.fds(into);
    }

    /// When to go on at the latest.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.queries.wakes_at()
    }

    /// Goes on; gives what came of it when all is known.
    pub fn advance(&mut self) -> Option<Host> {
        let now = Instant::now();
        self.queries.advance(now);
        if self.names.is_none() {
            match self.queries.answer(self.ptr)? {
                Answer::Records(records) => {
                    let names = records.iter().filter_map(|record| match record {
                        Record::Name(name) if !name.is_empty() => Some(name.clone()),
                        _ => None,
                    });
                    let mut names: Vec<_> = names.take(NAMES).collect();
                    names.sort_unstable();
                    names.dedup();
                    self.ask_for_addresses(names, now);
                }
                Answer::NoName | Answer::NoData => return Some(self.host(Iprev::PermError)),
                Answer::Trouble(trouble) => {
                    let trouble = *trouble;
                    let host = self.host(Iprev::TempError);
                    return Some(Host { trouble: Some(trouble), ..host });
                }
            }
        }
        self.judge()
    }

    /// Every question so far: what was asked for, its name, and the answer with the
    /// time that it took.
    pub fn questions(
        &self,
    ) -> impl Iterator<Item = (Kind, Vec<u8>, Option<(&Answer, Duration)>)> + '_ {
        let kind = if self.ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        let names = self.names.as_deref().unwrap_or_default();
        let of_names = names.iter().map(move |(name, question)| (kind, name.clone(), *question));
        let all = std::iter::once((Kind::Ptr, reverse_name(self.ip), self.ptr)).chain(of_names);
        all.map(|(kind, name, question)| {
            let took = self.queries.took(question);
            (kind, name, self.queries.answer(question).map(|answer| (answer, took)))
        })
    }

    fn ask_for_addresses(&mut self, names: Vec<Vec<u8>>, now: Instant) {
        let kind = if self.ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        let ask = |name: Vec<u8>| {
            let question = self.queries.ask(&name, kind, now);
            (name, question)
        };
        self.names = Some(names.into_iter().map(ask).collect());
    }

    /// What the addresses of the names say, once they are all there.
    fn judge(&self) -> Option<Host> {
        let names = self.names.as_deref().unwrap_or_default();
        let (mut confirmed, mut trouble): (Vec<Vec<u8>>, Option<Trouble>) = (Vec::new(), None);
        for (name, question) in names {
            match self.queries.answer(*question)? {
                Answer::Records(records) => {
                    let leads_back = |record: &Record| *record == Record::Ip(self.ip);
                    if records.iter().any(leads_back) {
                        confirmed.push(name.clone());
                    }
                }
                Answer::Trouble(of_this) => trouble = trouble.or(Some(*of_this)),
                Answer::NoName | Answer::NoData => {}
            }
        }
        let iprev = match (names.is_empty(), confirmed.is_empty(), trouble) {
            (true, ..) => Iprev::PermError,
            (_, false, _) => Iprev::Pass,
            (_, true, Some(_)) => Iprev::TempError,
            (_, true, None) => Iprev::Fail,
        };
        let name = confirmed.first().or(names.first().map(|(name, _)| name)).cloned();
        Some(Host { confirmed, name, trouble, ..self.host(iprev) })
    }

    fn host(&self, iprev: Iprev) -> Host {
        Host {
            iprev,
            confirmed: Vec::new(),
            name: None,
            trouble: None,
            questions: 1 + self.names.as_ref().map_or(0, |names| names.len() as u32),
            took: self.began.elapsed(),
        }
    }
}
