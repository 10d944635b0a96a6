//! Waits and the session's clock: what ends a wait and when, with ticks of 20 ms instead of 30 s.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::fd::AsRawFd;
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use smtp_wrapper::sys::{self, Waiter, Wakeup};

const TICK: Duration = Duration::from_millis(20);
/// What a busy machine may add.
const GRACE: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

struct Results {
    passed: u32,
    failed: u32,
}

impl Results {
    fn tell(&mut self, good: bool, what: &str, got: &dyn std::fmt::Debug) {
        println!(
            "{} - {what}{}",
            if good { "ok" } else { "not ok" },
            if good { String::new() } else { format!(": {got:?}") }
        );
        *(if good { &mut self.passed } else { &mut self.failed }) += 1;
    }
}

/// How a wait for nothing ends, and after what time.
fn waited(waiter: &Waiter, time: Duration) -> (Wakeup, Duration) {
    let begun = Instant::now();
    let wakeup = waiter.wait(&mut [], time).unwrap();
    (wakeup, begun.elapsed())
}

/// Time that passes without a wait: ticks that come are held back.
fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {}
}

fn pollfd(fd: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

fn main() {
    let mut results = Results { passed: 0, failed: 0 };

    let waiter = Waiter::with_clock(Some((LONG, TICK)));
    for millis in [80, 95, 197] {
        // One that begins anywhere between two ticks, and one with a tick that comes before it.
        for before in [millis % 7, 39] {
            spin(Duration::from_millis(before));
            let time = Duration::from_millis(millis);
            let (wakeup, took) = waited(&waiter, time);
            let good = wakeup == Wakeup::TimedOut && took >= time && took <= time + TICK + GRACE;
            results.tell(good, "a long wait lasts a tick longer at most", &(wakeup, time, took));
        }
    }
    for millis in [1, 30, 79] {
        let time = Duration::from_millis(millis);
        let (wakeup, took) = waited(&waiter, time);
        let good = wakeup == Wakeup::TimedOut && took >= time && took <= time + GRACE;
        results.tell(good, "a short one is not prolonged", &(wakeup, time, took));
    }

    let mut child = Command::new("sh")
        .args(["-c", "sleep 0.1; echo now; sleep 0.2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let begun = Instant::now();
    let wakeup = waiter.wait(&mut [pollfd(&output)], LONG).unwrap();
    let took = begun.elapsed();
    let good = wakeup == Wakeup::Ready && took < Duration::from_secs(1);
    results.tell(good, "a descriptor ends a long wait", &(wakeup, took));

    sys::watch_children();
    let (wakeup, took) = waited(&waiter, LONG);
    let good = wakeup == Wakeup::Signal && took < Duration::from_secs(2);
    results.tell(good, "so does the end of a child, among ticks", &(wakeup, took));
    child.wait().unwrap();
    let (wakeup, _) = waited(&waiter, 5 * TICK);
    results.tell(wakeup == Wakeup::TimedOut, "which is told once", &wakeup);
    results.tell(!sys::time_is_up(), "the session is not over yet", &sys::time_is_up());

    let without = Waiter::new(None);
    let (wakeup, took) = waited(&without, 6 * TICK);
    let good = wakeup == Wakeup::TimedOut && took >= 6 * TICK && took <= 6 * TICK + GRACE;
    results.tell(good, "who has no clock is not disturbed by one", &(wakeup, took));

    let waiter = Waiter::with_clock(Some((5 * TICK, TICK)));
    spin(2 * TICK);
    let (wakeup, took) = waited(&waiter, LONG);
    let good = wakeup == Wakeup::Signal && took >= 3 * TICK && took <= 4 * TICK + GRACE;
    results.tell(good, "the end of the session's time ends a long wait", &(wakeup, took));
    results.tell(sys::time_is_up(), "and the session", &sys::time_is_up());

    let waiter = Waiter::with_clock(Some((LONG, TICK)));
    kill_process(getpid(), Signal::TERM).unwrap();
    let (wakeup, took) = waited(&waiter, LONG);
    let good = wakeup == Wakeup::Signal && took <= GRACE && sys::terminated();
    results.tell(good, "SIGTERM that has come before ends a wait at once", &(wakeup, took));

    println!("waits: {} passed, {} failed", results.passed, results.failed);
    exit(i32::from(results.failed > 0));
}
