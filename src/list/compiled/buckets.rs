//! Names and what else is found by a key: 64 bits of a hash with a seed of its own
//! in each file, so that nobody can make up a name that is taken for another. One
//! page is read for a key.

use super::pages::{Damaged, Pages, ROOM, Writer};

/// Octets of a record: the key and two numbers.
const RECORD: usize = 16;
/// Records in a page, behind their number.
const MOST: usize = (ROOM - 2) / RECORD;

/// Two to the power of `bits` pages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buckets {
    pub(super) start: u32,
    pub(super) bits: u32,
}

/// The page of a key.
fn page_of(key: u64, bits: u32) -> usize {
    key.checked_shr(64 - bits).unwrap_or(0) as usize
}

impl Buckets {
    /// Writes records, of which no two have the same key.
    pub(super) fn write(records: &[(u64, u32, u32)], writer: &mut Writer) -> Buckets {
        // Half full, so that no page overflows, or hardly ever.
        let mut bits = (records.len() / (MOST / 2)).next_power_of_two().trailing_zeros();
        let pages = loop {
            let mut pages = vec![Vec::new(); 1 << bits];
            for record in records {
                if let Some(page) = pages.get_mut(page_of(record.0, bits)) {
                    page.push(record);
                }
            }
            if pages.iter().all(|page| page.len() <= MOST) {
                break pages;
            }
            bits += 1;
        };
        let start = writer.new_page() as u32;
        for page in pages {
            writer.new_page();
            writer.put(&(page.len() as u16).to_le_bytes());
            for (key, one, two) in page {
                writer.put(&key.to_le_bytes());
                writer.numbers(&[*one, *two]);
            }
            // A page without a record is one all the same.
        }
        Buckets { start, bits }
    }

    /// The numbers of a key.
    pub(super) fn find(&self, key: u64, pages: &Pages) -> Result<Option<(u32, u32)>, Damaged> {
        let page = pages.read(self.start as usize + page_of(key, self.bits), 1)?;
        let (count, records) = page.split_first_chunk::<2>().ok_or(Damaged)?;
        let there = usize::from(u16::from_le_bytes(*count));
        let key = key.to_le_bytes();
        let records = records.as_chunks::<RECORD>().0.get(..there).ok_or(Damaged)?;
        let record = records.iter().find(|record| record.starts_with(&key));
        Ok(record.and_then(|record| match record.as_chunks::<4>().0 {
            [_, _, one, two] => Some((u32::from_le_bytes(*one), u32::from_le_bytes(*two))),
            _ => None,
        }))
    }
}
