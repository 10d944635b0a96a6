//! The arena: blocks one behind the other, of which the last can become longer, shorter or nothing.

use std::cell::{Cell, UnsafeCell};

/// An arena of so many octets, all zero before they are taken for the first time.
#[repr(C)] // What is written each time comes first, beside what is taken first.
pub(crate) struct Arena<const SIZE: usize> {
    /// So many octets are taken.
    used: Cell<usize>,
    room: Room<SIZE>,
}

/// Memory that is aligned as most blocks are.
#[repr(align(16))]
pub(crate) struct Room<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

impl<const SIZE: usize> Room<SIZE> {
    pub(crate) const fn new() -> Self {
        Room(UnsafeCell::new([0; SIZE]))
    }

    pub(crate) const fn start(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

impl<const SIZE: usize> Arena<SIZE> {
    pub(crate) const fn new() -> Self {
        Arena { used: Cell::new(0), room: Room::new() }
    }

    /// A block of this size and alignment, which is a power of two; none if there is no room.
    #[inline]
    pub(crate) fn take(&self, size: usize, align: usize) -> Option<*mut u8> {
        let start = self.room.start();
        let aligned = (start as usize + self.used.get() + align - 1) & !(align - 1);
        let begin = aligned - start as usize;
        let end = begin.checked_add(size).filter(|end| *end <= SIZE)?;
        self.used.set(end);
        Some(start.wrapping_add(begin))
    }

    /// Where in the arena the block is, if it is one of its.
    #[inline]
    pub(crate) fn place(&self, block: *mut u8) -> Option<usize> {
        let place = (block as usize).wrapping_sub(self.room.start() as usize);
        (place < SIZE).then_some(place)
    }

    /// Makes the block here, of size `old`, one of size `new`; false if it is not the last, or there is no room.
    #[inline]
    pub(crate) fn resize(&self, place: usize, old: usize, new: usize) -> bool {
        let is_last = place + old == self.used.get();
        let fits = is_last && place.checked_add(new).is_some_and(|end| end <= SIZE);
        if fits {
            self.used.set(place + new);
        }
        fits
    }
}

#[cfg(test)]
mod tests;
