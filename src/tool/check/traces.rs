//! Traces: whose sessions are written down, and whose were.

use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Access, FileType, access, stat};
use rustix::process::geteuid;

use super::configuration::Seen;
use super::files;
use super::findings::Findings;

/// Looks at the entries of `trace`, and where it writes to.
pub(super) fn check(seen: &Seen, findings: &mut Findings) {
    let Some(traces) = &seen.loaded.settings.trace else { return };
    let directory = traces.directory.and_then(|path| path.to_str()).map(|path| seen.inside(path));
    let place = directory.unwrap_or("the log");
    let mut goes_on = false;
    for (entry, over) in traces.entries(SystemTime::now()) {
        if over {
            let what = format_args!("the trace of {entry} is over, and is ignored");
            findings.warning("[log] trace", what, "remove the entry");
        } else {
            goes_on = true;
            let what = format_args!("{entry}: such sessions are written down whole, to {place}");
            findings.note("[log] trace", what, "");
        }
    }
    let Some(directory) = directory.map(Path::new).filter(|_| goes_on) else { return };
    let make = format!("install -d -m 700 -o smtp-wrapper {place} (the user that sessions run as)");
    let stat = match stat(directory) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => stat,
        Ok(_) => return findings.error(place, "trace_to is no directory", make),
        Err(error) => return findings.error(place, format_args!("trace_to: {error}"), make),
    };
    if let Some(how) = files::open_to_others(directory) {
        let what = format_args!("the directory of traces {how}");
        findings.warning(place, what, format_args!("chmod 700 {place}"));
    }
    for user in seen.users.iter().filter(|user| !files::may(user, &stat, 0o3)) {
        let what = format_args!("the directory of traces cannot be written by {}", user.name);
        findings.error(place, what, format_args!("chown {} {place}", user.name));
    }
    if seen.users.is_empty() && !geteuid().is_root() && access(directory, Access::WRITE_OK).is_err()
    {
        let what = "the directory of traces cannot be written by the user that runs check";
        findings.warning(place, what, "run check as the user that sessions run as");
    }
}
