//! Pages: everything in a compiled list lies in pages of one size, each with its
//! checksum, so that what is read is known to be sound and the rest need not be
//! looked at.
//!
//! They are read with pread. Rejected: to map the file. A fault costs more than a
//! read, the kernel maps fifteen pages around the one that is needed, and who
//! truncates a mapped file kills every session that has it.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use crate::file::checksum;

/// Octets of a page in the file.
pub(super) const PAGE: usize = 1024;
/// Octets of a page that hold something; the others are its checksum.
pub(super) const ROOM: usize = PAGE - 8;

/// The file is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::list) struct Damaged;

/// The pages of a file.
pub(super) struct Pages {
    file: OwnedFd,
    count: usize,
}

impl Pages {
    /// Those of a file of this size.
    pub(super) fn new(file: OwnedFd, size: u64) -> Pages {
        Pages { file, count: (size / PAGE as u64) as usize }
    }

    /// What some pages in a row hold.
    pub(super) fn read(&self, first: usize, count: usize) -> Result<Vec<u8>, Damaged> {
        if first.checked_add(count).is_none_or(|end| end > self.count) {
            return Err(Damaged);
        }
        let wanted = count * PAGE;
        let mut raw = Vec::with_capacity(wanted);
        while raw.len() < wanted {
            let at = (first * PAGE + raw.len()) as u64;
            match pread(&self.file, spare_capacity(&mut raw), at) {
                Ok(0) => return Err(Damaged),
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return Err(Damaged),
            }
        }
        raw.truncate(wanted);
        for number in 0..count {
            let page = raw.get(number * PAGE..(number + 1) * PAGE).ok_or(Damaged)?;
            let (held, sum) = page.split_at_checked(ROOM).ok_or(Damaged)?;
            if sum != checksum((first + number) as u64, held).to_le_bytes() {
                return Err(Damaged);
            }
        }
        // Close up over the checksums.
        for number in 1..count {
            raw.copy_within(number * PAGE..number * PAGE + ROOM, number * ROOM);
        }
        raw.truncate(count * ROOM);
        Ok(raw)
    }

    /// Octets at an address, which counts what pages hold from the file's beginning.
    pub(super) fn octets(&self, at: usize, length: usize) -> Result<Vec<u8>, Damaged> {
        let first = at / ROOM;
        let last = at.saturating_add(length.max(1) - 1) / ROOM;
        let mut octets = self.read(first, last - first + 1)?;
        octets.drain(..at % ROOM);
        octets.truncate(length);
        Ok(octets)
    }

    /// Numbers at an address.
    pub(super) fn numbers(&self, at: u32, count: u32) -> Result<Vec<u32>, Damaged> {
        let octets = self.octets(at as usize, count as usize * 4)?;
        Ok(octets.as_chunks::<4>().0.iter().map(|octets| u32::from_le_bytes(*octets)).collect())
    }
}

/// What is to be written, page by page.
#[derive(Default)]
pub(super) struct Writer {
    held: Vec<u8>,
}

impl Writer {
    /// The address of what is written next.
    pub(super) fn address(&self) -> usize {
        self.held.len()
    }

    pub(super) fn put(&mut self, octets: &[u8]) -> usize {
        let address = self.address();
        self.held.extend_from_slice(octets);
        address
    }

    pub(super) fn numbers(&mut self, numbers: &[u32]) -> usize {
        let address = self.address();
        numbers.iter().for_each(|number| self.held.extend(number.to_le_bytes()));
        address
    }

    /// Goes to the beginning of a page; gives its number.
    pub(super) fn new_page(&mut self) -> usize {
        self.held.resize(self.held.len().next_multiple_of(ROOM), 0);
        self.held.len() / ROOM
    }

    /// Puts something at the beginning, for which room was left.
    pub(super) fn begin_with(&mut self, octets: &[u8]) {
        self.held.iter_mut().zip(octets).for_each(|(held, octet)| *held = *octet);
    }

    /// The file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let pages = self.new_page();
        let mut file = Vec::with_capacity(pages * PAGE);
        for (number, page) in self.held.chunks(ROOM).enumerate() {
            file.extend_from_slice(page);
            file.extend(checksum(number as u64, page).to_le_bytes());
        }
        file
    }
}
