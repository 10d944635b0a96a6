//! Programs that sessions start: filters, and an MTA that is one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Access, FileType, access, stat};

use crate::config::document::Value;
use crate::upstream::Upstream;

use super::configuration::Seen;
use super::files;
use super::findings::{Findings, outside};

/// Octets of a first line that the kernel looks at (BINPRM_BUF_SIZE of Linux).
const FIRST_LINE: u64 = 256;

/// What becomes of sessions without it.
const FILTER: &str = "until then what it judges is refused for now (451), or passes (on_error)";
const MTA: &str = "name the MTA's program, as in exec:/usr/sbin/sendmail -bs";

/// Looks at each.
pub(super) fn check(seen: &Seen, findings: &mut Findings) {
    for (place, table) in seen.of_type("program") {
        let run = table.entries.iter().find(|entry| entry.key == "run");
        if let Some(Value::List(words)) = run.map(|entry| &entry.value)
            && let Some(Value::Text(path)) = words.first()
        {
            program(place, path, (seen, FILTER), findings);
        }
    }
    for upstream in seen.loaded.settings.upstream.iter() {
        if let Upstream::Exec(run) = upstream
            && let Some(path) = run.split_ascii_whitespace().next()
        {
            program(&upstream.to_string(), path, (seen, MTA), findings);
        }
    }
}

/// Is this a program that can be started, and that only root may change?
fn program(
    place: &str,
    path: &'static str,
    (seen, without): (&Seen, &str),
    findings: &mut Findings,
) {
    let path = seen.inside(path);
    let file = Path::new(path);
    let stat = match stat(file) {
        Ok(stat) => stat,
        Err(error) => {
            return findings.error(place, format_args!("program {path}: {error}"), without);
        }
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return findings.error(place, format_args!("{path} is no program"), without);
    }
    if files::mode(&stat) & 0o111 == 0 || access(file, Access::EXEC_OK).is_err() {
        let what =
            format_args!("program {path} may not be executed (mode {:03o})", files::mode(&stat));
        return findings.error(place, what, format_args!("chmod 755 {path}"));
    }
    if let Some(user) = seen.users.iter().find(|user| !files::may(user, &stat, 0o1)) {
        let what = format_args!("sessions, which run as {}, may not execute {path}", user.name);
        findings.error(place, what, format_args!("chmod 755 {path}"));
    }
    if let Some(how) = files::open_to_others(file) {
        findings.error(
            place,
            format_args!("program {path} {how}"),
            format_args!("chown root {path}; chmod 755 {path}, and its folder likewise"),
        );
    }
    match interpreter(file, seen) {
        Some(Err(why)) => findings.error(place, format_args!("program {path}: {why}"), without),
        Some(Ok(())) | None => findings.ok(place, format_args!("program {path} is there")),
    }
}

/// The program that the first line names; `None` if it names none.
fn interpreter(path: &Path, seen: &Seen) -> Option<Result<(), String>> {
    let mut octets = Vec::new();
    File::open(path).ok()?.take(FIRST_LINE).read_to_end(&mut octets).ok()?;
    let octets: &'static [u8] = octets.leak();
    let line = octets.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    if line.ends_with(b"\r") {
        return Some(Err("its first line ends in CR".to_owned()));
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = words.next().and_then(|name| std::str::from_utf8(name).ok());
    Some(match name {
        Some(name) if Path::new(seen.inside(name)).exists() => Ok(()),
        _ => Err(format!("its first line names what is not there: {}", outside(line))),
    })
}
