//! `smtp-wrapper jail DIR`: a root directory for sessions, with what they open and nothing
//! else, made anew or brought up to date.
//!
//! It serves a session that changes its root directory itself (`chroot` in `[sandbox]`), and
//! one that a supervisor starts in there: for that it has the program, the configuration
//! and the lists, at the paths that they have outside. Only the state directory and that of
//! traces belong to the sessions' user.
//!
//! What a session opens is told by `wants`, `place` writes it, `advice` says how it is used.

mod advice;
mod place;
mod wants;

use std::os::unix::fs::{MetadataExt, chown, chroot};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rustix::process::geteuid;

use super::compile;
use crate::cli::Invocation;
use crate::config::{Source, User};
use crate::sandbox::user::{self, Ids};
use crate::{exit, file, terminal};

use advice::Advice;
use place::{Place, Readable};
use wants::{Want, Wants};

/// Where the program lies in every jail.
const PROGRAM: &str = "/usr/sbin/smtp-wrapper";

/// Is this program of use where there is no library?
const IS_STATIC: bool = cfg!(target_feature = "crt-static");

/// A larger file is no program, in MiB.
const MOST: u64 = 1024;

/// Makes the jail, or brings it up to date; says what it has made, and how to use it.
///
/// # Errors
/// Why there is none.
pub(crate) fn run(asked: &Invocation) -> anyhow::Result<exit::Code> {
    let &directory = asked.files.first().context("where to? smtp-wrapper jail DIR")?;
    let loaded = asked.load()?;
    let sandbox = loaded.settings.sandbox.as_deref();
    let user = sandbox.and_then(|sandbox| sandbox.user);
    let user = user.context("whom do sessions run as? --user USER, or user in [sandbox]")?;
    let ids = user::look_up(user).map_err(|why| anyhow!("user {user}: {why}"))?;
    if !geteuid().is_root() {
        bail!("only root makes a jail: what is in it is not to be its sessions'");
    }
    let root = std::path::absolute(directory).context("the jail")?;
    let configured = sandbox.and_then(|sandbox| sandbox.chroot);
    if let Some(other) = configured.filter(|chroot| !root.iter().eq(chroot.iter())) {
        bail!("the configuration's chroot is {}, and not {}", other.display(), root.display());
    }
    let wants = Wants::of(&loaded, asked.source)?;
    let mut place = Place::open(&root, ids)?;
    let mut advice = Advice::new(asked, (user, ids), &root, &loaded.settings);
    furnish(&mut place, &wants, user, &mut advice)?;
    let made = place.finish()?;
    terminal::write(&made).context("standard output")?;
    if let Some(configuration) = wants.configuration() {
        compile(&root, configuration, &wants, ids)?;
    }
    terminal::write(&advice.text()).context("standard output")?;
    Ok(exit::OK)
}

/// Puts everything into its place.
fn furnish(
    place: &mut Place,
    wants: &Wants,
    user: User,
    advice: &mut Advice,
) -> anyhow::Result<()> {
    if IS_STATIC {
        let program = std::env::current_exe().context("this program")?;
        place.write(Path::new(PROGRAM), &read(&program)?, Readable::Program)?;
    }
    let (users, groups) = accounts(user, place.ids());
    place.write(Path::new("/etc/passwd"), users.as_bytes(), Readable::All)?;
    place.write(Path::new("/etc/group"), groups.as_bytes(), Readable::All)?;
    for want in wants.all() {
        match want {
            Want::Copy(path) => place.copy(path)?,
            Want::CopyIfThere(path) if path.exists() => place.copy(path)?,
            Want::CopyIfThere(path) => {
                advice.left(format!("{} is not there, and was not copied", path.display()));
            }
            Want::Compiled(path) => place.expect(&file::compiled_path(path)),
            Want::Own(path) => place.own(path)?,
            Want::Folder(path) => place.folder(path)?,
            Want::Nowhere => place.nowhere()?.into_iter().for_each(|what| advice.left(what)),
            Want::Left(what) => advice.left(what.clone()),
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let opened = file::open(path).and_then(|opened| match opened {
        Some((file, stat)) => file::read_all(&file, &stat, MOST).map(Some),
        None => Ok(None),
    });
    let shown = path.display();
    opened.with_context(|| format!("{shown}"))?.with_context(|| format!("{shown}: is not there"))
}

/// The jail's users and groups: the sessions' one, for its name in the configuration.
fn accounts(user: User, ids: Ids) -> (String, String) {
    let Ids { uid, gid } = ids;
    let name = |name: &str, otherwise: &str| match name.bytes().all(|b| b.is_ascii_digit()) {
        true => otherwise.to_owned(),
        false => name.to_owned(),
    };
    let user_name = name(user.name, "smtp-wrapper");
    let group_name = name(user.group.unwrap_or(user.name), "smtp-wrapper");
    (format!("{user_name}:*:{uid}:{gid}::/:/nonexistent\n"), format!("{group_name}:*:{gid}:\n"))
}

/// Compiles the configuration and its lists as they lie in the jail, which becomes the root
/// directory of this process: what is compiled is of a certain file.
fn compile(root: &Path, configuration: &Path, wants: &Wants, ids: Ids) -> anyhow::Result<()> {
    chroot(root).and_then(|()| std::env::set_current_dir("/")).context("chroot")?;
    let path = configuration.to_str().context("the configuration's name is not UTF-8")?;
    compile::configuration(Source::Named(path.to_owned().leak()))?;
    // Who may read a text by its group is to read its compiled form as well.
    for text in wants.compiled() {
        let compiled: PathBuf = file::compiled_path(text);
        if let (Ok(text), true) = (text.metadata(), compiled.exists()) {
            let group = (text.gid() == ids.gid).then_some(ids.gid);
            chown(&compiled, None, group).with_context(|| compiled.display().to_string())?;
        }
    }
    Ok(())
}
