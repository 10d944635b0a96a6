//! The cage: what the kernel is told that the session will not do.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Needs;
use crate::config::Settings;
use crate::tls::certificates;
use crate::upstream::Upstream;
use crate::{limits, log, spool};

/// How much of the system's calls is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What relaying takes: no file is opened any more.
    Relay,
    /// And what files take.
    Files,
    /// And what it takes to look after processes that are there already.
    Children,
    /// What programs take, which is most of them.
    Programs,
}

/// How a path may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read.
    Read,
    /// Read, and run as a program.
    Run,
    /// A socket to connect to; on systems where a path may be hidden.
    Talk,
    /// Read and written; files are made in it and removed.
    Write,
}

/// What is left to a session.
// Other systems cannot be told all of it.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) struct Bounds<'a> {
    pub(super) class: Class,
    pub(super) paths: Vec<(Cow<'a, Path>, Access)>,
    /// The ports that it may connect to; `None`: all.
    pub(super) ports: Option<Vec<u16>>,
    /// It has nothing to do with processes outside.
    pub(super) alone: bool,
}

/// Port of DNS.
const DNS: u16 = 53;

impl<'a> Bounds<'a> {
    /// Those of a session with these needs.
    pub(super) fn of(settings: &'a Settings, needs: Needs, shared: &'a [PathBuf]) -> Bounds<'a> {
        let mut paths = Vec::new();
        let programs = needs.has(Needs::PROGRAMS);
        let by_name = needs.has(Needs::SYSTEM_RESOLVER);
        let mut class = Class::Relay;
        if needs.has(Needs::STATE) || needs.has(Needs::SPOOL) || programs {
            class = Class::Files;
            paths.push((settings.state.into(), Access::Write));
        }
        if needs.has(Needs::SPOOL) || programs {
            paths.extend(shared.iter().map(|path| (path.as_path().into(), Access::Write)));
        }
        if let Some(tls) = &settings.tls {
            class = Class::Files;
            let files = tls.certificates.iter().chain(&tls.keys);
            let places = files.filter_map(|file| certificates::place(file).ok());
            paths.extend(places.map(|file| (file.into(), Access::Read)));
        }
        if let Some(directory) = settings.trace.as_ref().and_then(|traces| traces.directory) {
            class = Class::Files;
            paths.push((directory.into(), Access::Write));
        }
        let children = needs.has(Needs::CHILDREN);
        if children {
            class = Class::Children;
        }
        if programs || by_name {
            class = Class::Programs;
            paths.push((Path::new("/").into(), Access::Run));
            paths.push((Path::new("/dev/null").into(), Access::Write));
        }
        if cfg!(target_os = "openbsd") {
            let mtas = settings.upstream.iter().filter_map(Upstream::path);
            let log = log::sockets(settings.log);
            let sockets = mtas.chain(log.iter().copied()).map(|path| Path::new(path).into());
            paths.extend(sockets.map(|path| (path, Access::Talk)));
        }
        let (mut any, mut connect) = (programs, &[][..]);
        if let Some(sandbox) = settings.sandbox.as_deref().filter(|_| programs) {
            paths.extend(sandbox.write.iter().map(|path| ((*path).into(), Access::Write)));
            (any, connect) =
                (sandbox.connect.is_none(), sandbox.connect.as_deref().unwrap_or_default());
        }
        let ports = (!any).then(|| {
            let mtas = settings.upstream.iter().filter_map(Upstream::port);
            let named = settings.dns().named.iter().map(|server| server.port());
            let mut ports: Vec<u16> = mtas.chain(named).chain(connect.iter().copied()).collect();
            if settings.dns().named.is_empty() {
                ports.push(DNS);
            }
            ports
        });
        Bounds { class, paths, ports, alone: !programs && !children }
    }
}

/// Where messages and programs may have files, beside the state directory.
pub(super) fn shared() -> Vec<PathBuf> {
    spool::shared().collect()
}

/// One thing that the kernel is told.
pub(super) struct Step {
    /// What it is called, for the log.
    pub(super) name: &'static str,
    pub(super) take: fn(&Bounds<'_>) -> io::Result<()>,
}

#[cold]
fn note(missing: &mut String, step: &Step, error: &io::Error) {
    let comma = if missing.is_empty() { "" } else { ", " };
    missing.push_str(&format!("{comma}{} ({error})", step.name));
}

/// Shuts the cage. Every step is taken, whatever became of the others.
///
/// # Errors
/// Says which steps could not be taken, and why.
pub(super) fn shut(bounds: &Bounds<'_>) -> Result<(), String> {
    let mut missing = String::new();
    for step in [Step { name: "limits", take: limit }].iter().chain(super::STEPS) {
        if let Err(error) = (step.take)(bounds) {
            note(&mut missing, step, &error);
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// No picture of the memory in a file; and a session that starts no program starts no process
/// and opens few descriptors.
fn limit(bounds: &Bounds<'_>) -> io::Result<()> {
    let most = |resource, most| {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        match setrlimit(resource, limit) {
            // Whoever started us allows less than that, and root alone may have more.
            Err(Errno::PERM) if getrlimit(resource).maximum.is_some_and(|now| now < most) => Ok(()),
            outcome => outcome.map_err(io::Error::from),
        }
    };
    most(Resource::Core, 0)?;
    if bounds.class != Class::Programs {
        most(Resource::Nofile, limits::DESCRIPTORS)?;
        most(Resource::Nproc, 0)?;
    }
    Ok(())
}
