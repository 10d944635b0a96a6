//! Tables that do not grow beyond a limit, whatever is in a log.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::RandomState;

/// By a hash, which takes the place of its key.
pub(super) type Hashed<T> = HashMap<u64, T, AsItIs>;

/// A table that is full at so many.
pub(super) struct Table<T> {
    map: Hashed<T>,
    limit: usize,
    /// How many were given up.
    pub(super) evicted: u64,
}

/// What can be given up: first what was seen only once, of that the oldest.
pub(super) trait Aging {
    fn seen_once(&self) -> bool;
    /// Seconds since 1970.
    fn last(&self) -> u32;
}

impl<T: Aging> Table<T> {
    pub(super) fn new(limit: usize) -> Table<T> {
        Table { map: HashMap::default(), limit, evicted: 0 }
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.map.get_mut(&key)
    }

    pub(super) fn get(&self, key: u64) -> Option<&T> {
        self.map.get(&key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.map.values()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Adds one that is not there yet; the older half goes when it is full, and `gone` is
    /// told of each.
    pub(super) fn add(&mut self, key: u64, value: T, gone: impl FnMut(&T)) -> &mut T {
        if self.map.len() >= self.limit {
            self.evict(gone);
        }
        self.map.entry(key).or_insert(value)
    }

    #[cold]
    fn evict(&mut self, mut gone: impl FnMut(&T)) {
        let rank = |value: &T| (!value.seen_once(), value.last());
        let mut ranks: Vec<_> = self.map.values().map(rank).collect();
        let half = ranks.len() / 2;
        let (_, &mut middle, _) = ranks.select_nth_unstable(half);
        let before = self.map.len();
        self.map.retain(|_, value| {
            let stays = rank(value) > middle;
            if !stays {
                gone(value);
            }
            stays
        });
        self.evicted += (before - self.map.len()) as u64;
        // What was taken out leaves marks, and a table full of them would grow.
        self.map.shrink_to_fit();
    }
}

/// Hashes what is a hash already.
#[derive(Clone, Default)]
pub(super) struct AsItIs;

impl BuildHasher for AsItIs {
    type Hasher = Itself;

    fn build_hasher(&self) -> Itself {
        Itself(0)
    }
}

pub(super) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0 << 8 | u64::from(*octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Counts what there is most of. When there are too many kinds, the rarer half goes: then
/// a count may lack what was counted before, [`Top::lacks`] at most.
pub(super) struct Top<K> {
    hash: RandomState,
    /// By the hash of the key, which is nearer than the key.
    map: Hashed<(u64, K)>,
    limit: usize,
    /// So many may be missing in a count.
    pub(super) lacks: u64,
}

impl<K: Ord + Clone> Top<K> {
    pub(super) fn new(limit: usize) -> Top<K> {
        Top { hash: RandomState::default(), map: Hashed::default(), limit, lacks: 0 }
    }

    pub(super) fn count(&mut self, key: impl Hash, owned: impl FnOnce() -> K) {
        let hash = self.hash.hash_one(key);
        if let Some((count, _)) = self.map.get_mut(&hash) {
            *count += 1;
            return;
        }
        if self.map.len() >= self.limit {
            let mut counts: Vec<u64> = self.map.values().map(|(count, _)| *count).collect();
            let half = counts.len() / 2;
            let (_, &mut middle, _) = counts.select_nth_unstable(half);
            self.map.retain(|_, (count, _)| *count > middle);
            self.map.shrink_to_fit();
            self.lacks += middle;
        }
        self.map.insert(hash, (1, owned()));
    }

    /// The most frequent ones.
    pub(super) fn most(&self, count: usize) -> Vec<(K, u64)> {
        let mut all: Vec<_> = self.map.values().map(|(count, key)| (*count, key)).collect();
        all.sort_unstable_by(|(m, a), (n, b)| n.cmp(m).then_with(|| a.cmp(b)));
        all.into_iter().take(count).map(|(count, key)| (key.clone(), count)).collect()
    }
}
