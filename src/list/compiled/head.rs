//! The head of a compiled list: of which text it is, and where everything is.

use rustix::fs::Stat;

use super::super::entry::Topic;
use super::super::patterns::Subject;
use super::super::text::Syntax;
use super::buckets::Buckets;
use super::keys::{Form, Keys};
use super::ranges::Ranges;
use crate::file;

pub(super) const MAGIC: &[u8; 8] = b"SWlist1\n";

/// Topics that keys are about, by their numbers.
const TOPICS: usize = 6;

/// Domains of more labels than this are all of one kind here.
const MOST_LABELS: usize = 31;

/// Where everything is; all numbers, in the order in which they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// Pages of the file.
    pub(super) pages: u32,
    /// Not 0: an entry accepts by its own word.
    pub(super) accepts: u32,
    pub(super) v4: Ranges<4>,
    pub(super) v6: Ranges<16>,
    pub(super) buckets: Buckets,
    /// For each topic: the forms there are, a bit each.
    pub(super) forms: [u32; TOPICS],
    /// For each topic: the numbers of labels of what is meant with all below it, a bit each.
    pub(super) labels: [u32; TOPICS],
    /// Which parts of expressions there are: first page and number of pages.
    pub(super) parts: [u32; 2],
    /// Groups of expressions without a part that is fixed: address and number, and
    /// their topics, a bit each.
    pub(super) groups: [u32; 3],
    pub(super) seed: [u64; 2],
    /// Expressions see the command that a path came in.
    pub(super) commands: bool,
}

const NUMBERS: usize = 2 + 6 + 2 * TOPICS + 5;

impl Head {
    fn numbers(&mut self) -> [&mut u32; NUMBERS] {
        let Head { pages, accepts, v4, v6, buckets, forms, labels, parts, groups, .. } = self;
        let [f0, f1, f2, f3, f4, f5] = forms;
        let [l0, l1, l2, l3, l4, l5] = labels;
        let ([p0, p1], [g0, g1, g2]) = (parts, groups);
        let (v4, v4n) = (&mut v4.start, &mut v4.count);
        let (v6, v6n) = (&mut v6.start, &mut v6.count);
        let (b, bits) = (&mut buckets.start, &mut buckets.bits);
        [
            pages, accepts, v4, v4n, v6, v6n, b, bits, f0, f1, f2, f3, f4, f5, l0, l1, l2, l3, l4,
            l5, p0, p1, g0, g1, g2,
        ]
    }

    /// As it is written.
    pub(super) fn octets(mut self, stat: &Stat, syntax: Syntax, topic: Topic) -> Vec<u8> {
        let mut head = file::head(MAGIC, stat);
        head.extend([syntax as u8, topic as u8]);
        let canary = Keys::new(self.seed).canary();
        let [one, two] = self.seed;
        [one, two, canary].iter().for_each(|number| head.extend(number.to_le_bytes()));
        self.numbers().iter().for_each(|number| head.extend(number.to_le_bytes()));
        head
    }

    /// Reads it.
    ///
    /// # Errors
    /// Says why the file is of no use.
    pub(super) fn read(
        octets: &[u8],
        stat: &Stat,
        syntax: Syntax,
        topic: Topic,
    ) -> Result<Head, &'static str> {
        let of_text = file::head(MAGIC, stat);
        let Some(rest) = octets.strip_prefix(of_text.as_slice()) else {
            return Err("is not of this text");
        };
        let Some(rest) = rest.strip_prefix(&[syntax as u8, topic as u8]) else {
            return Err("was made with another syntax or match");
        };
        let (seeds, rest) = rest.split_at_checked(24).ok_or("is damaged")?;
        let [one, two, canary] = seeds.as_chunks::<8>().0 else { return Err("is damaged") };
        let seed = [u64::from_le_bytes(*one), u64::from_le_bytes(*two)];
        if Keys::new(seed).canary() != u64::from_le_bytes(*canary) {
            return Err("was made by another build of the program");
        }
        let mut head = Head { seed, commands: syntax == Syntax::Egrep, ..Head::default() };
        for (number, octets) in head.numbers().into_iter().zip(rest.as_chunks::<4>().0) {
            *number = u32::from_le_bytes(*octets);
        }
        // What is looked up has to lie in the file at all.
        match head.buckets.bits < 32 && head.parts[1] < 64 {
            true => Ok(head),
            false => Err("is damaged"),
        }
    }

    pub(super) fn add_form(&mut self, topic: Topic, form: Form) {
        if let Some(forms) = self.forms.get_mut(topic as usize) {
            *forms |= 1 << form as u8;
        }
    }

    pub(super) fn has_form(&self, topic: Topic, form: Form) -> bool {
        self.forms.get(topic as usize).is_some_and(|forms| forms & 1 << form as u8 != 0)
    }

    /// There is something that is meant with all below it, of so many labels.
    pub(super) fn add_below(&mut self, topic: Topic, labels: usize) {
        if let Some(mask) = self.labels.get_mut(topic as usize) {
            *mask |= 1 << labels.min(MOST_LABELS);
        }
    }

    pub(super) fn has_below(&self, topic: Topic, labels: usize) -> bool {
        self.labels.get(topic as usize).is_some_and(|mask| mask & 1 << labels.min(MOST_LABELS) != 0)
    }

    /// Are there entries for this?
    pub(super) fn is_about(&self, subject: Subject<'_>) -> bool {
        let any = |topic: Topic| self.forms.get(topic as usize).is_some_and(|forms| *forms != 0);
        let topics = [
            Topic::Client,
            Topic::Address,
            Topic::Host,
            Topic::Helo,
            Topic::Sender,
            Topic::Recipient,
        ];
        let networks = matches!(subject, Subject::Address(_)) && self.v4.count + self.v6.count > 0;
        let of = |topic: &Topic| {
            subject.is_of(*topic) && (any(*topic) || self.groups[2] & 1 << *topic as u8 != 0)
        };
        networks || topics.iter().any(of)
    }
}
