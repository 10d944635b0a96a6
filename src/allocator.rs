//! The allocator of the released build: an arena for what a usual session takes, and
//! dlmalloc for all else, behind a lock of one octet.
//!
//! musl's own was a third of all instructions of a session, for it is made for
//! threads and for programs that C can corrupt. dlmalloc takes 90 instructions a
//! call, and writes where its pages begin and where they end. A session takes some
//! sixty blocks, 11 KiB in all, and then ends: they lie one behind the other in a few
//! pages of the program's own, and few are ever given back. Whoever takes more, as
//! the tools do and sessions with TLS or a long message, has dlmalloc's.
//!
//! A session has one thread, so the lock is never contended there; in the tools that
//! have more it is held for some hundred instructions. dlmalloc's own way of being
//! global takes a pthread mutex each time, which was 1 700 instructions of 40 000.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::hint;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

use crate::arena::{Arena, Room};

/// The arena: what sessions of the usual kind take, and some more. What it has beyond that is never touched.
const ARENA: usize = 32 * 1024;
/// dlmalloc's first pages: what a session takes that relays a long message, without asking the kernel for any.
const FIRST: usize = 208 * 1024;

#[global_allocator]
static HEAP: Heap = Heap {
    rest: UnsafeCell::new(Dlmalloc::new_with_allocator(Pages { first_given: Cell::new(false) })),
};

/// Both are all zero, unlike the heap, so that they do not stand in the file.
static START: Start = Start { locked: AtomicBool::new(false), arena: Arena::new() };
static FIRST_PAGES: Room<FIRST> = Room::new();

/// The lock, and the arena, in this order: they share a page.
#[repr(C)]
struct Start {
    locked: AtomicBool,
    arena: Arena<ARENA>,
}

// SAFETY: the arena is only reached by who holds the lock.
unsafe impl Sync for Start {}
// SAFETY: these pages are dlmalloc's.
unsafe impl Sync for Room<FIRST> {}

/// The heap.
struct Heap {
    rest: UnsafeCell<Dlmalloc<Pages>>,
}

// SAFETY: `rest` is only reached by who holds the lock.
unsafe impl Sync for Heap {}

/// Where dlmalloc's pages are from.
struct Pages {
    first_given: Cell<bool>,
}

/// dlmalloc is not to give this back (its EXTERN_BIT).
const TO_KEEP: u32 = 1;

// SAFETY: what is given is zero, the heap's alone, and as long as is said; the first pages are given
// once and never taken back.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if size <= FIRST && !self.first_given.replace(true) {
            return (FIRST_PAGES.start(), FIRST, TO_KEEP);
        }
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        // SAFETY: a new mapping touches no other memory.
        match unsafe { libc::mmap(null_mut(), size, access, kind, -1, 0) } {
            libc::MAP_FAILED => (null_mut(), 0, 0),
            pages => (pages.cast(), size, 0),
        }
    }

    fn remap(&self, pages: *mut u8, size: usize, wanted: usize, can_move: bool) -> *mut u8 {
        let how = if can_move { libc::MREMAP_MAYMOVE } else { 0 };
        // SAFETY: dlmalloc has these from `alloc`, and no other pointer to them if they may move.
        match unsafe { libc::mremap(pages.cast(), size, wanted, how) } {
            libc::MAP_FAILED => null_mut(),
            pages => pages.cast(),
        }
    }

    fn free_part(&self, pages: *mut u8, size: usize, left: usize) -> bool {
        // SAFETY: as in `free`, of their end.
        unsafe { libc::munmap(pages.add(left).cast(), size - left) == 0 }
    }

    fn free(&self, pages: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc has these from `alloc`, and uses them no more.
        unsafe { libc::munmap(pages.cast(), size) == 0 }
    }

    fn can_release_part(&self, kept: u32) -> bool {
        kept != TO_KEEP
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

impl Heap {
    /// Does what is to be done by one thread at a time.
    #[inline]
    fn alone<T>(&self, work: impl FnOnce(&Arena<ARENA>) -> T) -> T {
        while START.locked.swap(true, Ordering::Acquire) {
            hint::spin_loop();
        }
        let result = work(&START.arena);
        START.locked.store(false, Ordering::Release);
        result
    }

    /// dlmalloc, for who is alone.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    unsafe fn rest(&self) -> &mut Dlmalloc<Pages> {
        // SAFETY: whoever has set `locked` is alone here until it is cleared,
        // and dlmalloc neither panics nor calls back.
        unsafe { &mut *self.rest.get() }
    }
}

// SAFETY: arena and dlmalloc give what GlobalAlloc asks for: blocks of the size and
// alignment wanted, not shared, until they are freed; null when there is none.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        self.alone(|arena| match arena.take(size, align) {
            Some(block) => block,
            // SAFETY: we are alone; any size and alignment of a Layout will do.
            None => unsafe { self.rest().malloc(size, align) },
        })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        self.alone(|arena| match arena.take(size, align) {
            // Somebody may have had it before.
            Some(block) => {
                // SAFETY: so long is the block.
                unsafe { block.write_bytes(0, size) };
                block
            }
            // SAFETY: as in `alloc`.
            None => unsafe { self.rest().calloc(size, align) },
        })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (size, align) = (layout.size(), layout.align());
        self.alone(|arena| match arena.place(block) {
            Some(place) => _ = arena.resize(place, size, 0),
            // SAFETY: we are alone, and the caller got the block from here, with this layout.
            None => unsafe { self.rest().free(block, size, align) },
        });
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let resized = self.alone(|arena| match arena.place(block) {
            Some(place) => arena.resize(place, size, new).then_some(block),
            // SAFETY: as in `dealloc`; `new` is not 0, as the caller has to see to.
            None => Some(unsafe { self.rest().realloc(block, size, align, new) }),
        });
        resized.unwrap_or_else(|| {
            // SAFETY: `new` with this alignment is a layout, as the caller has to see to; both blocks
            // are as long as is copied, and are two.
            unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(new, align));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, size.min(new));
                    self.dealloc(block, layout);
                }
                moved
            }
        })
    }
}
