//! What sessions give up that are started as root, and those that do not.

use std::path::Path;

use rustix::fs::{FileType, stat};

use crate::config::Cage;
use crate::sandbox::{Needs, knows_ports, trial, user};

use super::configuration::Seen;
use super::conversation::STRANGER;
use super::files;
use super::findings::Findings;
use super::users::User;

const TURNED_AWAY: &str = "until then every client gets 421 4.3.5";

/// Looks at `[sandbox]`; whom sessions become is one of the users from here on.
pub(super) fn check(seen: &mut Seen, findings: &mut Findings) {
    cage(seen, findings);
    whom(seen, findings);
}

fn cage(seen: &mut Seen, findings: &mut Findings) {
    const PLACE: &str = "[sandbox]";
    let mode = seen.loaded.settings.cage();
    if mode == Cage::Off {
        let what = "mode is off: whoever breaks into a session has all that its user has";
        return findings.warning(PLACE, what, "mode = \"auto\", or leave it out");
    }
    let trial = match trial::run(&mut seen.loaded, &STRANGER) {
        Ok(trial) => trial,
        Err(error) => return findings.warning(PLACE, format_args!("cannot be tried: {error}"), ""),
    };
    match (&trial.missing, mode) {
        (None, _) => findings.ok(PLACE, "the kernel keeps sessions from what they do not need"),
        (Some(missing), Cage::Required) => {
            findings.error(PLACE, format_args!("cannot be had here: {missing}"), TURNED_AWAY);
        }
        (Some(missing), _) => {
            let remedy = "a newer kernel; sessions note it in the log, too";
            findings.warning(PLACE, format_args!("not to be had here: {missing}"), remedy);
        }
    }
    if cfg!(target_os = "linux") && trial.missing.is_none() && !knows_ports() {
        let what = "this kernel cannot keep sessions from connecting elsewhere";
        findings.note(PLACE, what, "Linux 6.7 or newer");
    }
    let wide = seen.loaded.settings.sandbox.as_ref().is_none_or(|of| of.connect.is_none());
    if trial.needs.has(Needs::PROGRAMS) && wide {
        let what = "programs of filters may connect to every port";
        findings.note(PLACE, what, "name those that they need: connect = [\"783\"], or []");
    } else if trial.needs.has(Needs::SYSTEM_RESOLVER) {
        let what = "with the system's resolver sessions may read every file that their user may";
        findings.note(PLACE, what, "the MTA's address instead of its name, resolver = \"stub\"");
    }
}

fn whom(seen: &mut Seen, findings: &mut Findings) {
    let sandbox = seen.loaded.settings.sandbox.as_deref();
    let Some(user) = sandbox.and_then(|sandbox| sandbox.user) else {
        for place in seen.starters.iter().filter_map(|starter| starter.root.as_ref()) {
            let remedy = "a user that nothing else runs as; or user in [sandbox], or --user";
            findings.warning(place, "sessions run as root", remedy);
        }
        return;
    };
    if let Some(path) = sandbox.and_then(|sandbox| sandbox.chroot) {
        chroot(path, findings);
    }
    match user::look_up(user) {
        Ok(ids) => {
            findings.ok("[sandbox]", format_args!("sessions become {user} ({ids})"));
            let user = User { name: user.name.to_owned(), uid: ids.uid, gid: ids.gid };
            for other in seen.users.iter().filter(|other| other.uid != user.uid) {
                let what = format_args!(
                    "sessions that start as {} cannot become {}",
                    other.name, user.name
                );
                findings.error("[sandbox]", what, "start them as root, or leave user out");
            }
            seen.users = vec![user];
        }
        Err(why) => findings.error("[sandbox]", format_args!("user {user}: {why}"), TURNED_AWAY),
    }
}

fn chroot(path: &Path, findings: &mut Findings) {
    let name = path.display().to_string();
    let make = format!("smtp-wrapper jail {name}");
    match stat(path) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
        Ok(_) => return findings.error(&name, "the chroot is no directory", make),
        Err(error) => return findings.error(&name, format_args!("the chroot: {error}"), make),
    }
    match files::open_to_others(path) {
        Some(how) => {
            let remedy =
                format_args!("chown root {name}; chmod 755 {name}, and its folder likewise");
            findings.warning(&name, format_args!("the chroot {how}"), remedy);
        }
        None => findings.ok(&name, "the chroot is there"),
    }
}
