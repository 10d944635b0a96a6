//! What has come from a peer and what is to go to it.

/// Octets that have come from a peer and are not dealt with yet. Its memory grows once, when
/// what came at once has filled it.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    /// How much it may hold.
    most: usize,
    /// It was full.
    grows: bool,
    /// Octets at the front that are dealt with.
    done: usize,
    /// Octets behind them in which no line end is (see [`crate::smtp::line`]).
    pub(super) seen: usize,
}

impl Inbox {
    pub(super) fn new(first: usize, most: usize) -> Self {
        let buffer = Vec::with_capacity(first);
        Inbox { buffer, most, grows: false, done: 0, seen: 0 }
    }

    /// What is not dealt with.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.done..).unwrap_or_default()
    }

    /// Can it take more?
    pub(crate) fn has_room(&self) -> bool {
        self.buffer.len() - self.done < self.most
    }

    /// The buffer to append to, within its capacity.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.done > 0 {
            self.buffer.drain(..self.done);
            self.done = 0;
        }
        if self.grows || self.buffer.len() == self.buffer.capacity() {
            self.grow();
        }
        &mut self.buffer
    }

    #[cold]
    fn grow(&mut self) {
        self.grows = false;
        self.buffer.reserve_exact(self.most.saturating_sub(self.buffer.len()));
    }

    /// The first `count` octets are dealt with.
    pub(super) fn consume(&mut self, count: usize) {
        self.grows |= self.buffer.len() == self.buffer.capacity();
        self.done = (self.done + count).min(self.buffer.len());
        self.seen = 0;
        if self.done == self.buffer.len() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.done = 0;
        self.seen = 0;
    }
}

/// Octets for a peer that it has not taken yet.
#[derive(Debug)]
pub(super) struct Outbox {
    buffer: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(super) fn new(size: usize) -> Self {
        Outbox { buffer: Vec::with_capacity(size), sent: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.buffer.len()
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.sent
    }

    /// The buffer to append to.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.buffer.len() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.sent = 0;
    }
}
