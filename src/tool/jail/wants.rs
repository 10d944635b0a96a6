//! What a session with this configuration opens once its root directory is the jail.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::document::{Table, Value};
use crate::config::{self, Loaded, LogTo, Resolver, Source};
use crate::upstream::Upstream;

/// One thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// This file.
    Copy(PathBuf),
    /// This file, if there is one.
    CopyIfThere(PathBuf),
    /// The compiled form of this file, which is made when the file is there.
    Compiled(PathBuf),
    /// A directory that sessions write.
    Own(PathBuf),
    /// A directory for somebody to put something into.
    Folder(PathBuf),
    /// /dev/null.
    Nowhere,
    /// What nobody but the administrator can put there.
    Left(String),
}

/// All of them.
pub(super) struct Wants(Vec<Want>);

impl Wants {
    /// Those of this configuration.
    ///
    /// # Errors
    /// It names what can be at no place of a jail.
    pub(super) fn of(loaded: &Loaded, source: Source) -> anyhow::Result<Wants> {
        let mut wants = Wants(Vec::new());
        let read = config::document(source, false)?;
        if let Some(read) = &read {
            wants.text(Path::new(read.path))?;
        }
        for list in &loaded.lists {
            wants.text(list.path)?;
        }
        wants.certificates(loaded)?;
        wants.names(loaded)?;
        let tables = read.map(|read| read.document.tables).unwrap_or_default();
        let tables = config::of_options(&loaded.settings)
            .into_iter()
            .map(|(_, table)| table)
            .chain(tables.into_iter().filter(|table| table.repeated));
        wants.programs(loaded, tables);
        wants.log(loaded.settings.log)?;
        let traces = loaded.settings.trace.as_ref().and_then(|traces| traces.directory);
        for own in [Some(loaded.settings.state), traces].into_iter().flatten() {
            let own = absolute(own)?;
            // Who owns a directory may replace whatever is in it.
            let inside = wants.0.iter().any(|want| match want {
                Want::Copy(path) | Want::CopyIfThere(path) => path.starts_with(&own),
                _ => false,
            });
            if inside
                || ["/", "/etc", "/usr", "/usr/sbin", "/dev"].iter().any(|no| own == Path::new(no))
            {
                bail!("{} would be the sessions', with what else lies in it", own.display());
            }
            wants.add(Want::Own(own));
        }
        Ok(wants)
    }

    /// In the order in which they are to be there.
    pub(super) fn all(&self) -> &[Want] {
        &self.0
    }

    /// The texts of which there is to be a compiled form.
    pub(super) fn compiled(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|want| match want {
            Want::Compiled(path) => Some(path.as_path()),
            _ => None,
        })
    }

    /// The configuration, if there is one.
    pub(super) fn configuration(&self) -> Option<&Path> {
        self.compiled().next()
    }

    fn add(&mut self, want: Want) {
        if !self.0.contains(&want) {
            self.0.push(want);
        }
    }

    fn text(&mut self, path: &Path) -> anyhow::Result<()> {
        let path = absolute(path)?;
        self.add(Want::Copy(path.clone()));
        self.add(Want::Compiled(path));
        Ok(())
    }

    fn certificates(&mut self, loaded: &Loaded) -> anyhow::Result<()> {
        let pairs = loaded.settings.tls.iter().flat_map(|tls| tls.pairs());
        for name in pairs.flat_map(|(certificate, key)| [certificate, key]) {
            if name.starts_with('/') {
                self.add(Want::Copy(absolute(Path::new(name))?));
            } else {
                self.add(Want::Left(format!(
                    "{name} is a credential: its directory is to be in the jail, with \
                     $CREDENTIALS_DIRECTORY as its path there (systemd sees to it)"
                )));
            }
        }
        Ok(())
    }

    fn names(&mut self, loaded: &Loaded) -> anyhow::Result<()> {
        let dns = loaded.settings.dns();
        let named = |mta: &Upstream| match mta {
            Upstream::Tcp(mta) => mta.to_string().parse::<SocketAddr>().is_err(),
            _ => false,
        };
        let system = dns.resolver == Resolver::System || loaded.settings.upstream.iter().any(named);
        if dns.named.is_empty() || system {
            self.add(Want::CopyIfThere(absolute(Path::new(dns.resolv_conf))?));
        }
        if system {
            self.add(Want::CopyIfThere("/etc/hosts".into()));
        }
        Ok(())
    }

    fn programs(&mut self, loaded: &Loaded, tables: impl Iterator<Item = Table>) {
        let mut programs: Vec<&str> = tables.filter_map(|table| run(&table)).collect();
        for mta in loaded.settings.upstream.iter() {
            match mta {
                Upstream::Exec(run) => programs.extend(run.split_ascii_whitespace().next()),
                Upstream::Unix(path) => {
                    self.add(Want::Left(format!("the MTA's socket {path} is to be in the jail")))
                }
                Upstream::Tcp(_) => {}
            }
        }
        let writes = loaded.settings.sandbox.iter().flat_map(|sandbox| &sandbox.write);
        for path in writes.map(|path| path.display()) {
            self.add(Want::Left(format!("{path}, which programs write to, is to be in the jail")));
        }
        for program in programs {
            self.add(Want::Nowhere);
            self.add(Want::Left(format!(
                "the program {program} is to be in the jail, with all that it needs \
                 (interpreter, libraries, files)"
            )));
        }
    }

    /// A socket of syslogd has to be in the jail of a supervisor; its directory is made.
    fn log(&mut self, to: LogTo) -> anyhow::Result<()> {
        let socket = match to {
            LogTo::Auto | LogTo::Syslog => Path::new("/dev/log"),
            LogTo::SyslogAt(path) => Path::new(path),
            LogTo::Stderr | LogTo::Nowhere => return Ok(()),
        };
        if let Some(folder) = absolute(socket)?.parent() {
            self.add(Want::Folder(folder.to_owned()));
        }
        Ok(())
    }
}

/// What a filter runs.
fn run(table: &Table) -> Option<&'static str> {
    match &table.entries.iter().find(|entry| entry.key == "run")?.value {
        Value::List(words) => match words.first()? {
            Value::Text(path) => Some(path),
            _ => None,
        },
        _ => None,
    }
}

/// The path as it is from the root directory.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
    if path.components().any(|part| part == Component::ParentDir) {
        bail!("{}: in a jail it may lead elsewhere: write it without \"..\"", path.display());
    }
    Ok(path)
}
