//! How long things took, in a histogram whose steps are an eighth of each power of two:
//! a figure is at most an eighth too large.

/// Steps of a power of two, and all.
const STEPS: u32 = 8;
const ALL: usize = 33 * STEPS as usize;

pub(super) struct Delays {
    counts: Vec<u64>,
    pub(super) count: u64,
    pub(super) max: u32,
}

impl Default for Delays {
    fn default() -> Self {
        Delays { counts: vec![0; ALL], count: 0, max: 0 }
    }
}

impl Delays {
    pub(super) fn add(&mut self, seconds: u32) {
        if let Some(count) = self.counts.get_mut(step(seconds)) {
            *count += 1;
        }
        self.count += 1;
        self.max = self.max.max(seconds);
    }

    /// So many thousandths of all took no longer.
    pub(super) fn within(&self, thousandths: u64) -> u32 {
        let wanted = (self.count * thousandths).div_ceil(1000).max(1);
        let mut so_far = 0;
        for (step, count) in self.counts.iter().enumerate() {
            so_far += count;
            if so_far >= wanted {
                return end(step).min(self.max);
            }
        }
        self.max
    }

    /// How many took so many seconds, both ends included, by the ends of the steps.
    pub(super) fn between(&self, from: u32, to: u32) -> u64 {
        let steps = self.counts.iter().enumerate();
        steps.filter(|(step, _)| end(*step) >= from && end(*step) <= to).map(|(_, n)| n).sum()
    }
}

/// The step of a time. Below eight seconds each second is one.
fn step(seconds: u32) -> usize {
    let power = seconds.checked_ilog2().unwrap_or(0).max(3) - 3;
    (power * STEPS + (seconds >> power)) as usize
}

/// The longest time of a step.
fn end(step: usize) -> u32 {
    let step = u32::try_from(step).unwrap_or(u32::MAX);
    match step / STEPS {
        0 => step,
        power => {
            let first = u64::from(step - (power - 1) * STEPS);
            u32::try_from(((first + 1) << (power - 1)) - 1).unwrap_or(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_an_eighth() {
        for seconds in (0..5000).chain([86_400, 1 << 20, u32::MAX]) {
            let end = end(step(seconds));
            assert!(end >= seconds && end - seconds <= seconds / 8, "{seconds}: {end}");
        }
        let mut delays = Delays::default();
        (1..=1000).for_each(|n| delays.add(n));
        assert!((500..=563).contains(&delays.within(500)), "{}", delays.within(500));
        assert_eq!((delays.within(1000), delays.max), (1000, 1000));
        assert_eq!(delays.between(0, u32::MAX), 1000);
    }
}
