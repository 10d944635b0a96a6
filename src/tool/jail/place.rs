//! Where the jail is made: a directory that is root's, in directories that are root's.
//!
//! Nobody but root can then put a link where root writes. What was made is remembered in a
//! file of its own, by which a jail is known from any other directory, and what is no longer
//! of use is taken away the next time.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown,
};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rustix::fs::{CWD, Dev, FileType, Mode, mknodat, stat};

use super::read;
use crate::file;
use crate::sandbox::user::Ids;

/// What was made, a path a line.
const MADE: &str = ".smtp-wrapper-jail";

const NOWHERE: &str = "/dev/null";

/// Those who are neither the owner nor of its group, or that group.
const OTHERS: u32 = 0o022;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    /// Everybody may execute it, too.
    Program,
    /// Everybody.
    All,
    /// Root and the sessions.
    Sessions,
}

/// The jail.
pub(super) struct Place {
    root: PathBuf,
    /// Whose sessions are to be in it.
    ids: Ids,
    /// What was made before.
    before: Vec<PathBuf>,
    /// What is made now.
    made: Vec<PathBuf>,
    report: String,
}

impl Place {
    /// Opens the directory, which is made if it is not there.
    ///
    /// # Errors
    /// It is no jail and none can be made of it.
    pub(super) fn open(root: &Path, ids: Ids) -> anyhow::Result<Place> {
        if root.components().any(|part| part == Component::ParentDir) || root.parent().is_none() {
            bail!("{} cannot be a jail", root.display());
        }
        let mut place = Place {
            root: root.to_owned(),
            ids,
            before: Vec::new(),
            made: Vec::new(),
            report: String::new(),
        };
        if !root.exists() {
            make(root)?;
        }
        let root = root.canonicalize().with_context(|| root.display().to_string())?;
        root.ancestors().try_for_each(of_root_alone)?;
        place.root = root;
        let made = place.root.join(MADE);
        match made.symlink_metadata() {
            Ok(_) => place.before = remembered(&String::from_utf8_lossy(&read(&made)?)),
            Err(_) if fs::read_dir(&place.root)?.next().is_none() => {}
            Err(_) => bail!(
                "{}: neither empty nor made by smtp-wrapper jail: name another directory",
                place.root.display()
            ),
        }
        Ok(place)
    }

    /// Whose sessions are to be in it.
    pub(super) fn ids(&self) -> Ids {
        self.ids
    }

    /// Writes a file.
    pub(super) fn write(
        &mut self,
        path: &Path,
        octets: &[u8],
        readable: Readable,
    ) -> anyhow::Result<()> {
        let to = self.way_to(path)?;
        let (mode, group) = match readable {
            Readable::Program => (0o755, 0),
            Readable::All => (0o644, 0),
            Readable::Sessions => (0o640, self.ids.gid),
        };
        // A session may be reading what is there.
        let temporary = file::beside(&to);
        let _ = fs::remove_file(&temporary);
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let written = file.and_then(|mut file| {
            file.write_all(octets)?;
            chown(&temporary, Some(0), Some(group))?;
            file.set_permissions(Permissions::from_mode(mode))?;
            fs::rename(&temporary, &to)
        });
        written.with_context(|| to.display().to_string())?;
        self.done(path, &format!("mode {mode:03o}"));
        Ok(())
    }

    /// Copies a file to where it lies outside; who may not read it there may not here, but
    /// for the sessions.
    pub(super) fn copy(&mut self, path: &Path) -> anyhow::Result<()> {
        let octets = read(path)?;
        let mode = path.metadata().map_or(0, |meta| meta.mode());
        let readable = if mode & 0o004 == 0 { Readable::Sessions } else { Readable::All };
        self.write(path, &octets, readable)
    }

    /// This file will be made later.
    pub(super) fn expect(&mut self, path: &Path) {
        self.made.push(path.to_owned());
    }

    /// Makes a directory that is the sessions' own.
    pub(super) fn own(&mut self, path: &Path) -> anyhow::Result<()> {
        let to = self.way_to(path)?;
        let outcome = match to.symlink_metadata() {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(_) => DirBuilder::new().mode(0o700).create(&to),
        };
        let outcome = outcome
            .and_then(|()| chown(&to, Some(self.ids.uid), Some(self.ids.gid)))
            .and_then(|()| fs::set_permissions(&to, Permissions::from_mode(0o700)));
        outcome.with_context(|| to.display().to_string())?;
        self.report_of(path, &format!("directory of {}, mode 700", self.ids));
        Ok(())
    }

    /// Makes a directory of root's.
    pub(super) fn folder(&mut self, path: &Path) -> anyhow::Result<()> {
        self.way_to(&path.join("x")).map(drop)
    }

    /// Makes /dev/null; says what is left to be done if it cannot, as in a container.
    pub(super) fn nowhere(&mut self) -> anyhow::Result<Option<String>> {
        let path = Path::new(NOWHERE);
        let to = self.way_to(path)?;
        if !to.symlink_metadata().is_ok_and(|meta| meta.file_type().is_char_device()) {
            #[allow(clippy::unnecessary_cast)] // Its width differs between systems.
            let device = stat(path).context(NOWHERE)?.st_rdev as Dev;
            let mode = Mode::from_raw_mode(0o666);
            if let Err(error) = mknodat(CWD, &to, FileType::CharacterDevice, mode, device) {
                let to = to.display();
                return Ok(Some(format!("{to} cannot be made ({error}), and programs need it")));
            }
            fs::set_permissions(&to, Permissions::from_mode(0o666))?;
        }
        self.done(path, "for programs");
        Ok(None)
    }

    /// Takes away what was made before and is of no use now; tells what there is.
    pub(super) fn finish(mut self) -> anyhow::Result<String> {
        for old in self.before.iter().filter(|old| !self.made.contains(old)) {
            let at = inside(&self.root, old)?;
            if at.symlink_metadata().is_ok() {
                fs::remove_file(&at).with_context(|| at.display().to_string())?;
                let _ = writeln!(self.report, "removed  {}: no longer of use", at.display());
            }
        }
        let lines: String = self.made.iter().map(|path| format!("{}\n", path.display())).collect();
        let made = Path::new("/").join(MADE);
        self.write(&made, lines.as_bytes(), Readable::All)?;
        Ok(self.report)
    }

    fn done(&mut self, path: &Path, how: &str) {
        self.made.push(path.to_owned());
        self.report_of(path, how);
    }

    fn report_of(&mut self, path: &Path, how: &str) {
        let at = inside(&self.root, path).unwrap_or_default();
        let _ = writeln!(self.report, "made     {} ({how})", at.display());
    }

    /// Where a path lies in the jail; the directories on the way there are made.
    fn way_to(&self, path: &Path) -> anyhow::Result<PathBuf> {
        let to = inside(&self.root, path)?;
        let folder = to.parent().context("it has no name")?;
        let mut at = self.root.clone();
        for part in folder.strip_prefix(&self.root)?.components() {
            at.push(part);
            match at.symlink_metadata() {
                Ok(_) => of_root_alone(&at)?,
                Err(_) => make(&at)?,
            }
        }
        Ok(to)
    }
}

fn make(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        // Whatever the umask is.
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .with_context(|| path.display().to_string())
}

/// Is this a directory that only root may change?
fn of_root_alone(path: &Path) -> anyhow::Result<()> {
    let meta = path.symlink_metadata().with_context(|| path.display().to_string())?;
    // In one with the sticky bit only the owner of a file may replace it.
    let others = meta.mode() & OTHERS != 0 && meta.mode() & 0o1000 == 0;
    match meta.is_dir() && meta.uid() == 0 && !others {
        true => Ok(()),
        false => Err(anyhow!(
            "{}: must be a directory that is root's, and that only root may write",
            path.display()
        )),
    }
}

/// Where a path lies in the jail.
fn inside(root: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    let mut at = root.to_owned();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => at.push(name),
            _ => bail!("{} leads out of the jail", path.display()),
        }
    }
    Ok(at)
}

fn remembered(text: &str) -> Vec<PathBuf> {
    text.lines().filter(|line| line.starts_with('/')).map(PathBuf::from).collect()
}
