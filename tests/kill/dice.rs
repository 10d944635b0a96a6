//! Chance that can be had again: its seed is told, and can be set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// With the seed in `KILL_SEED`, or one of the moment; tells it.
    pub fn seeded(usual: usize) -> Dice {
        let set = std::env::var("KILL_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
        let seed = set.unwrap_or(u64::from(now));
        println!("the same points again: KILL_SEED={seed} KILL_POINTS={}", points(usual));
        Dice(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mix = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mix = (mix ^ mix >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mix ^ mix >> 31) % end.max(1)
    }

    /// Up to so many microseconds; often none at all.
    pub fn pause(&mut self, most: u64) -> Duration {
        match self.below(3) {
            0 => Duration::ZERO,
            _ => Duration::from_micros(self.below(most)),
        }
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// How many points are tried: those in `KILL_POINTS`, or so many.
pub fn points(usual: usize) -> usize {
    let set = std::env::var("KILL_POINTS").ok();
    set.map_or(usual, |points| points.parse().expect("a number"))
}
