//! Networks, as ranges of addresses that do not overlap: from each key to the next
//! one holds what stands there. A tree of pages, as high as it must be: three
//! pages are read for a million networks.

use super::pages::{Damaged, Pages, ROOM, Writer};

/// What holds from an address on: the line of the entry, 0 for none, and its action.
pub(super) type Held = (u32, u32);

/// Octets of what is held.
const HELD: usize = 8;

/// Records of keys of `K` octets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ranges<const K: usize> {
    /// The first page, and how many records there are.
    pub(super) start: u32,
    pub(super) count: u32,
}

impl<const K: usize> Ranges<K> {
    /// Records in a page.
    const LEAF: usize = ROOM / (K + HELD);
    /// Keys in a page that leads to others.
    const FAN: usize = ROOM / K;

    /// How many pages each level has, the records' first.
    fn levels(count: usize) -> Vec<usize> {
        let mut levels = vec![count.div_ceil(Self::LEAF)];
        while let Some(&pages) = levels.last().filter(|pages| **pages > 1) {
            levels.push(pages.div_ceil(Self::FAN));
        }
        levels
    }

    /// Writes records, which are in the order of their keys.
    pub(super) fn write(records: &[([u8; K], Held)], writer: &mut Writer) -> Ranges<K> {
        let start = writer.new_page();
        let mut keys = Vec::new();
        for page in records.chunks(Self::LEAF) {
            keys.extend(page.first().map(|(key, _)| *key));
            writer.new_page();
            for (key, (line, action)) in page {
                writer.put(key);
                writer.numbers(&[*line, *action]);
            }
        }
        while keys.len() > 1 {
            let mut above = Vec::new();
            for page in keys.chunks(Self::FAN) {
                above.extend(page.first().copied());
                writer.new_page();
                page.iter().for_each(|key| {
                    writer.put(key);
                });
            }
            keys = above;
        }
        Ranges { start: start as u32, count: records.len() as u32 }
    }

    /// What holds at this key.
    pub(super) fn find(&self, key: [u8; K], pages: &Pages) -> Result<Option<Held>, Damaged> {
        let levels = Self::levels(self.count as usize);
        let mut node = 0;
        for level in (1..levels.len()).rev() {
            let below = levels.get(level - 1).copied().unwrap_or_default();
            let there = below.saturating_sub(node * Self::FAN).min(Self::FAN);
            let page = self.page(&levels, level, node, pages)?;
            match last_not_above(&page, K, there, &key) {
                None => return Ok(None),
                Some(at) => node = node * Self::FAN + at,
            }
        }
        let there = (self.count as usize).saturating_sub(node * Self::LEAF).min(Self::LEAF);
        let page = self.page(&levels, 0, node, pages)?;
        let Some(at) = last_not_above(&page, K + HELD, there, &key) else { return Ok(None) };
        let held = page.get(at * (K + HELD) + K..(at + 1) * (K + HELD)).ok_or(Damaged)?;
        match held.as_chunks::<4>().0 {
            [line, action] => {
                let held = (u32::from_le_bytes(*line), u32::from_le_bytes(*action));
                Ok(Some(held).filter(|(line, _)| *line > 0))
            }
            _ => Err(Damaged),
        }
    }

    fn page(
        &self,
        levels: &[usize],
        level: usize,
        node: usize,
        pages: &Pages,
    ) -> Result<Vec<u8>, Damaged> {
        let before: usize = levels.iter().take(level).sum();
        pages.read(self.start as usize + before + node, 1)
    }
}

/// The last of so many records of this size whose key is not above this one.
fn last_not_above(page: &[u8], size: usize, there: usize, key: &[u8]) -> Option<usize> {
    let (mut low, mut high) = (0, there);
    while low < high {
        let middle = (low + high) / 2;
        match page.get(middle * size..middle * size + key.len()) {
            Some(there) if there <= key => low = middle + 1,
            _ => high = middle,
        }
    }
    low.checked_sub(1)
}
