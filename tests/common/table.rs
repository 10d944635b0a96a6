//! Tables of cases: every case is played, and all failures are shown together.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Sessions played at the same time: they mostly wait for time limits, so more than there are
/// cores.
const AT_ONCE: usize = 6;

/// Plays every case, several at the same time; fails with the list of those that failed.
#[track_caller]
pub fn each<Case: Sync + Debug>(cases: &[Case], play: impl Fn(&Case) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = catch_unwind(AssertUnwindSafe(|| play(case))) {
                        let text = why.downcast_ref::<&str>().map(|text| (*text).to_owned());
                        let text = why.downcast_ref::<String>().cloned().or(text);
                        let why = text.unwrap_or_default();
                        failed.lock().expect("no panic inside").push(format!("{case:?}: {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic inside");
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n\n")
    );
}
