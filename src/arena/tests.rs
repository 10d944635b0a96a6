//! Blocks are aligned, within the arena, and nobody's else.

#![allow(unsafe_code, clippy::unwrap_used)]

use super::Arena;

const SIZE: usize = 4096;

/// A block and what was written to it.
struct Block {
    start: *mut u8,
    size: usize,
    mark: u8,
}

impl Block {
    fn write(&mut self, mark: u8) {
        self.mark = mark;
        // SAFETY: so long is the block.
        unsafe { self.start.write_bytes(mark, self.size) };
    }

    fn check(&self, upto: usize) {
        // SAFETY: so long is the block, and it was written.
        let octets = unsafe { std::slice::from_raw_parts(self.start, upto) };
        assert!(octets.iter().all(|octet| *octet == self.mark), "a block was written by another");
    }
}

/// Numbers that look random, the same in each run.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn no_block_is_in_another() {
    let (mut state, mut refused) = (1, 0);
    for round in 0..200 {
        let arena: Box<Arena<SIZE>> = Box::new(Arena::new());
        let mut blocks: Vec<Block> = Vec::new();
        // Where the next block begins, or somewhat behind if that is not aligned.
        let mut end = 0;
        for step in 0..300 {
            let mark = (round + step) as u8;
            match (next(&mut state) % 4, blocks.pop()) {
                (0, Some(block)) => {
                    block.check(block.size);
                    let place = arena.place(block.start).unwrap();
                    let is_last = place + block.size == end;
                    assert_eq!(arena.resize(place, block.size, 0), is_last);
                    end = if is_last { place } else { end };
                }
                (1, Some(mut block)) => {
                    let new = 1 + next(&mut state) % 300;
                    let place = arena.place(block.start).unwrap();
                    let fits = arena.resize(place, block.size, new);
                    assert_eq!(fits, place + block.size == end && place + new <= SIZE);
                    block.check(block.size.min(new));
                    if fits {
                        block.size = new;
                        end = place + new;
                    }
                    block.write(mark);
                    blocks.push(block);
                }
                (_, last) => {
                    blocks.extend(last);
                    let (size, align) = (1 + next(&mut state) % 200, 1 << (next(&mut state) % 7));
                    let Some(start) = arena.take(size, align) else {
                        refused += 1;
                        continue;
                    };
                    assert_eq!(start as usize % align, 0);
                    let place = arena.place(start).unwrap();
                    assert!(place >= end && place < end + align && place + size <= SIZE);
                    end = place + size;
                    let mut block = Block { start, size, mark };
                    block.write(mark);
                    blocks.push(block);
                }
            }
            blocks.iter().for_each(|block| block.check(block.size));
        }
    }
    assert!(refused > 100, "arenas were full");
}

#[test]
fn only_the_last_block_is_resized() {
    let arena: Arena<SIZE> = Arena::new();
    let (first, second) = (arena.take(100, 8).unwrap(), arena.take(100, 8).unwrap());
    assert!(!arena.resize(arena.place(first).unwrap(), 100, 50));
    assert!(!arena.resize(arena.place(first).unwrap(), 100, 0));
    assert!(arena.resize(arena.place(second).unwrap(), 100, SIZE - 104));
    assert!(!arena.resize(arena.place(second).unwrap(), SIZE - 104, SIZE - 103));
    assert!(!arena.resize(arena.place(second).unwrap(), SIZE - 104, usize::MAX));
    assert_eq!(arena.take(1, 1), None);
}

#[test]
fn what_does_not_fit_is_refused() {
    let arena: Arena<SIZE> = Arena::new();
    assert_eq!(arena.take(SIZE + 1, 1), None);
    assert_eq!(arena.take(usize::MAX, 1), None);
    assert_eq!(arena.take(isize::MAX as usize, 4096), None);
    let block = arena.take(SIZE, 16).unwrap();
    assert_eq!(arena.place(block), Some(0));
    assert_eq!(arena.place(block.wrapping_sub(1)), None);
    assert_eq!(arena.place(block.wrapping_add(SIZE)), None);
}
