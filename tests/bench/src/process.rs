//! What Linux tells about running processes.

use std::str::FromStr;
use std::time::Duration;
use std::{fs, io};

/// All processes below this one, those that have ended but were not waited for included.
pub fn descendants(ancestor: i32) -> io::Result<Vec<i32>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>()
            && let Some(parent) = parent(pid)
        {
            all.push((pid, parent));
        }
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&one) = found.get(next) {
        found.extend(all.iter().filter(|(_, parent)| *parent == one).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// A figure in KiB from a file of `Name:   123 kB` lines, such as /proc/PID/status.
pub fn kib(pid: i32, file: &str, name: &str) -> io::Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path)?;
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .find_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {name} in {path}")))
}

/// CPU time of the process itself so far; nothing where the kernel does not keep it.
pub fn own_cpu(pid: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// The proportional set sizes of some processes, in KiB.
pub fn pss(pids: &[i32]) -> io::Result<u64> {
    let mut sum = 0;
    for &pid in pids {
        match kib(pid, "smaps_rollup", "Pss") {
            Ok(pss) => sum += pss,
            // A session that is no longer dumpable is for root to look at.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            // One that has ended meanwhile has no memory.
            Err(_) => {}
        }
    }
    Ok(sum)
}

/// Page faults so far that needed no reading.
pub fn faults(pid: i32) -> io::Result<u64> {
    stat(pid, 7).ok_or_else(|| io::Error::other(format!("no page faults in /proc/{pid}/stat")))
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid, 1)
}

/// A field of /proc/PID/stat, counted from the one behind the name.
fn stat<T: FromStr>(pid: i32, field: usize) -> Option<T> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field)?.parse().ok()
}
