//! The allocator of the released build: dlmalloc behind a lock of one octet.
//!
//! musl's own was a third of all instructions of a session, for it is made for
//! threads and for programs that C can corrupt. dlmalloc's own way of being
//! global takes a pthread mutex each time, which was 1 700 instructions of
//! 40 000. A session has one thread, so the lock is never contended there; in
//! the tools that have more it is held for some hundred instructions.
//!
//! The first pages it hands out are part of the program, so that a session of the
//! usual kind never asks the kernel for any: that is a mapping less to make and to
//! take down, and its first page is one that is written anyway.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::hint;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// The first pages: what a session takes that relays a message, and some more.
const FIRST: usize = 224 * 1024;

#[global_allocator]
static HEAP: Heap = Heap {
    heap: UnsafeCell::new(Dlmalloc::new_with_allocator(Pages { first_given: Cell::new(false) })),
    locked: AtomicBool::new(false),
};

static FIRST_PAGES: FirstPages = FirstPages(UnsafeCell::new([0; FIRST]));

/// Not in the heap's own static, which is not all zero and would have them stand in the file.
#[repr(align(16))]
struct FirstPages(UnsafeCell<[u8; FIRST]>);

// SAFETY: they are the heap's.
unsafe impl Sync for FirstPages {}

/// The heap.
struct Heap {
    heap: UnsafeCell<Dlmalloc<Pages>>,
    locked: AtomicBool,
}

// SAFETY: `heap` is only reached through `with`, one thread at a time.
unsafe impl Sync for Heap {}

/// Where the heap's pages are from.
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
            return (FIRST_PAGES.0.get().cast(), FIRST, TO_KEEP);
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
    #[inline]
    fn with<T>(&self, work: impl FnOnce(&mut Dlmalloc<Pages>) -> T) -> T {
        while self.locked.swap(true, Ordering::Acquire) {
            hint::spin_loop();
        }
        // SAFETY: whoever has set `locked` is alone here until it is cleared,
        // and dlmalloc neither panics nor calls back.
        let result = work(unsafe { &mut *self.heap.get() });
        self.locked.store(false, Ordering::Release);
        result
    }
}

// SAFETY: dlmalloc gives what GlobalAlloc asks for: blocks of the size and
// alignment wanted, not shared, until they are freed; null when there is none.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and alignment of a Layout will do.
        self.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller got the block from here, with this layout.
        self.with(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        self.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; `size` is not 0, as the caller has to see to.
        self.with(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), size) })
    }
}
