//! A group: one client's tries of one sender and recipient, in eighty octets, since there
//! may be half a million.

use super::spread;
use super::table::Aging;

/// Tries that are closer are one: a client that has several MX to try does so at once.
const ONE_TRY: u32 = 60;
/// No queue waits so long between two tries, or keeps a message (RFC 5321 4.5.4.1).
const QUEUED: u32 = 5 * 86_400;

/// One client's tries of one sender and recipient.
pub(super) struct Group {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) tries: u32,
    /// Tries right behind another.
    pub(super) hasty: u32,
    pub(super) shortest: u32,
    pub(super) longest: u32,
    gap: u32,
    /// Gaps that were not much shorter than the one before.
    pub(super) even: u32,
    /// Seconds until it was accepted.
    pub(super) accepted: Option<u32>,
    /// Sender and recipient, for [`spread`].
    pub(super) of: u32,
    pub(super) hosts: [u64; 4],
}

impl Aging for Group {
    fn seen_once(&self) -> bool {
        self.tries < 2 && self.accepted.is_none()
    }

    fn last(&self) -> u32 {
        self.last
    }
}

impl Group {
    pub(super) fn new(time: u32, host: u64, of: u64) -> Group {
        Group {
            first: time,
            last: time,
            tries: 1,
            hasty: 0,
            shortest: u32::MAX,
            longest: 0,
            gap: 0,
            even: 0,
            accepted: None,
            of: spread::short(of),
            hosts: [host, 0, 0, 0],
        }
    }

    /// It is tried again.
    pub(super) fn again(&mut self, time: u32, host: u64) {
        let gap = time.saturating_sub(self.last);
        if gap > QUEUED {
            // It is another message.
            *self = Group { of: self.of, ..Group::new(time, host, 0) };
            return;
        }
        if gap < ONE_TRY {
            self.hasty = self.hasty.saturating_add(1);
        } else {
            self.gap_of(gap);
            self.last = time;
        }
        if !self.hosts.contains(&host)
            && let Some(place) = self.hosts.iter_mut().find(|host| **host == 0)
        {
            *place = host;
        }
    }

    fn gap_of(&mut self, gap: u32) {
        self.tries = self.tries.saturating_add(1);
        self.even += u32::from(gap >= self.gap / 2);
        self.gap = gap;
        self.shortest = self.shortest.min(gap);
        self.longest = self.longest.max(gap);
    }

    /// The host has been let in; how long it had to wait.
    pub(super) fn accept(&mut self, time: u32) -> Option<u32> {
        if self.accepted.is_some() {
            return None;
        }
        let gap = time.saturating_sub(self.last);
        if gap > QUEUED {
            return None;
        }
        if gap >= ONE_TRY {
            self.gap_of(gap);
            self.last = time;
        }
        let waited = time.saturating_sub(self.first);
        self.accepted = Some(waited);
        Some(waited)
    }

    /// Hosts that tried.
    pub(super) fn hosts(&self) -> impl Iterator<Item = u64> {
        self.hosts.into_iter().filter(|host| *host != 0)
    }
}
