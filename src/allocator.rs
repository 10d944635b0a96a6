//! The allocator of the released build: dlmalloc behind a lock of one octet.
//!
//! musl's own was a third of all instructions of a session, for it is made for
//! threads and for programs that C can corrupt. dlmalloc's own way of being
//! global takes a pthread mutex each time, which was 1 700 instructions of
//! 40 000. A session has one thread, so the lock is never contended there; in
//! the tools that have more it is held for some hundred instructions.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// The heap.
pub struct Allocator {
    locked: AtomicBool,
    heap: UnsafeCell<Dlmalloc>,
}

// SAFETY: `heap` is only reached through `with`, one thread at a time.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// An empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Allocator { locked: AtomicBool::new(false), heap: UnsafeCell::new(Dlmalloc::new()) }
    }

    #[inline]
    fn with<T>(&self, work: impl FnOnce(&mut Dlmalloc) -> T) -> T {
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

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: dlmalloc gives what GlobalAlloc asks for: blocks of the size and
// alignment wanted, not shared, until they are freed; null when there is none.
unsafe impl GlobalAlloc for Allocator {
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
