//! Looking for expressions. Most hold a part that is fixed: of each, three octets
//! are known, and only those whose octets are in the text are tried. The others are
//! always tried. Expressions with the same part, or without one, are in groups, each
//! made into one automaton if that is not too large.

use super::super::entry::Topic;
use super::super::patterns::Subject;
use super::automaton::first_match;
use super::keys::{Form, PART};
use super::ranges::Held;
use super::{Compiled, Damaged, ROOM, earlier};

/// Numbers of a group: where its automaton is and how long, flags, where its members
/// are (line and action of each) and how many.
pub(super) const GROUP: u32 = 5;
/// An automaton is no longer than this, in octets.
const AUTOMATON: usize = 4 << 20;
/// Groups of one part, at most.
pub(super) const GROUPS: u32 = 1 << 16;

/// Flags: the topic is in the lowest octet.
pub(super) const EXACT: u32 = 1 << 8;
pub(super) const NEGATED: u32 = 1 << 9;

/// The bit for a key in so many pages.
pub(super) fn bit(key: u64, pages: u32) -> (usize, u8) {
    let bits = u64::from(pages) * ROOM as u64 * 8;
    let bit = key % bits.max(1);
    ((bit / 8) as usize, 1 << (bit % 8))
}

impl Compiled {
    /// The first of what was found and the expressions that match.
    pub(super) fn find_expression(
        &self,
        subject: Subject<'_>,
        found: Option<Held>,
    ) -> Result<Option<Held>, Damaged> {
        let topics = [Topic::Client, Topic::Address, Topic::Host, Topic::Helo, Topic::Sender];
        let topics = topics.into_iter().chain([Topic::Recipient]);
        let of = |topic: &Topic| {
            let grouped = self.head.groups[2] & 1 << *topic as u8 != 0;
            subject.is_of(*topic) && (grouped || self.head.has_form(*topic, Form::Part))
        };
        let topics: Vec<_> = topics.filter(of).collect();
        let mut found = found;
        if topics.is_empty() {
            return Ok(found);
        }
        for text in subject.texts(self.head.commands) {
            let lower = text.to_ascii_lowercase();
            for &topic in &topics {
                if self.head.has_form(topic, Form::Part) {
                    found = self.find_by_parts(topic, &text, &lower, found)?;
                }
            }
            let [address, count, of_topics] = self.head.groups;
            if topics.iter().any(|topic| of_topics & 1 << *topic as u8 != 0) {
                found = self.find_in_groups((address, count), &topics, &text, &lower, found)?;
            }
        }
        Ok(found)
    }

    fn find_by_parts(
        &self,
        topic: Topic,
        text: &[u8],
        lower: &[u8],
        mut found: Option<Held>,
    ) -> Result<Option<Held>, Damaged> {
        let [start, pages] = self.head.parts;
        let parts = match self.parts.get() {
            Some(parts) => parts,
            None => {
                let read = self.pages.read(start as usize, pages as usize)?;
                self.parts.get_or_init(|| read)
            }
        };
        for part in lower.windows(PART) {
            let key = self.keys.of(topic, Form::Part, &[part]);
            let (at, bit) = bit(key, pages);
            if parts.get(at).is_none_or(|octet| octet & bit == 0) {
                continue;
            }
            if let Some(groups) = self.head.buckets.find(key, &self.pages)? {
                found = self.find_in_groups(groups, &[topic], text, lower, found)?;
            }
        }
        Ok(found)
    }

    fn find_in_groups(
        &self,
        (address, count): (u32, u32),
        topics: &[Topic],
        text: &[u8],
        lower: &[u8],
        mut found: Option<Held>,
    ) -> Result<Option<Held>, Damaged> {
        if count > GROUPS {
            return Err(Damaged);
        }
        let groups = self.pages.numbers(address, count * GROUP)?;
        for &[at, length, flags, members, count] in groups.as_chunks().0 {
            if !topics.iter().any(|topic| *topic as u32 == flags & 0xff) {
                continue;
            }
            if length as usize > AUTOMATON {
                return Err(Damaged);
            }
            let automaton = self.pages.octets(at as usize, length as usize)?;
            let text = if flags & EXACT != 0 { text } else { lower };
            let first = match (first_match(&automaton, text)?, flags & NEGATED != 0) {
                (first, false) => first,
                (None, true) => Some(0),
                (Some(_), true) => None,
            };
            let Some(first) = first else { continue };
            let first = u32::try_from(first).ok().filter(|first| *first < count);
            let at = first.and_then(|first| members.checked_add(8 * first)).ok_or(Damaged)?;
            match self.pages.numbers(at, 2)?[..] {
                [line, action] => found = earlier(found, Some((line, action))),
                _ => return Err(Damaged),
            }
        }
        Ok(found)
    }
}
