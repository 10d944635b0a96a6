//! The default session: one as most sites have it, with a configuration (default.toml, compiled), the providers,
//! S25R with its two answers of DNS, and a log.

use crate::figure::{Budget, Figure};
use crate::filters::compile;
use crate::folder::Folder;
use crate::front::Front;
use crate::measure::{Bench, count_short, figure, median};
use crate::name_server;
use crate::server::Subject;
use crate::thousand::SESSIONS;
use std::io;

/// Where default.toml, and the floor that asks DNS, expect the name server.
const NAME_SERVER: u16 = 8053;
/// And the one by which each client has the name of a dial-up line.
const NAME_SERVER_OF_SUSPECTS: u16 = 8054;

const CONFIG: &str = include_str!("../default.toml");
const LIST: &str = include_str!("../allow.list");

/// The subjects, and the floor that asks the same questions of DNS.
pub struct DefaultSession {
    pub session: Subject,
    /// The same, whose client has the name of a dial-up line.
    pub suspect: Subject,
    /// The same, where it waits in the tarpit.
    pub tarpit: Subject,
    /// The session with a list of mail servers besides.
    listed: Subject,
    floor: Subject,
    /// Whose files they read.
    _folder: Folder,
}

impl DefaultSession {
    pub fn new(logged: &Subject, floor: &str) -> io::Result<Self> {
        name_server::start(NAME_SERVER, name_server::MAIL)?;
        name_server::start(NAME_SERVER_OF_SUSPECTS, name_server::DIAL_UP)?;
        let folder = Folder::new("default")?;
        let list = folder.write("allow.list", LIST)?;
        compile(logged, &list)?;
        // What is an option of the others, as each test has a socket of its own, is here where a site has it.
        let (program, log) = (&logged.command[0], &logged.command[2]);
        let config = CONFIG.replace("syslog:/dev/log", log);
        let program = Subject::new(program, &[]);
        let subject = |name: &str, changes: &[(&str, &str)]| {
            let changed = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
            let text = changes.iter().fold(config.clone(), changed);
            let path = folder.write(name, &text)?;
            compile(logged, &path)?;
            Ok::<_, io::Error>(program.with(&["--config", &path.to_string_lossy()]))
        };
        let suspects = (&*NAME_SERVER.to_string(), &*NAME_SERVER_OF_SUSPECTS.to_string());
        let tarpit = (
            "[log]",
            &*format!(
                "state = \"{}\"\n[tarpit]\nat_once = {SESSIONS}\n[log]",
                folder.path().display()
            ),
        );
        let held = ("\"s25r\"\n", "\"s25r\"\non_hit = \"tarpit\"\n");
        let list = ("providers = true\n", "providers = true\nlists = [\"allow.list\"]\n");
        Ok(Self {
            session: subject("default.toml", &[])?,
            suspect: subject("suspect.toml", &[suspects])?,
            tarpit: subject("tarpit.toml", &[suspects, tarpit, held])?,
            listed: subject("listed.toml", &[list])?,
            floor: Subject::new(&format!("{floor}-dns"), &[]),
            _folder: folder,
        })
    }
}

impl Bench {
    /// CPU time, beside the floor, and beside it beyond what DNS costs even the floor.
    pub fn default_cpu(&self) -> io::Result<Vec<Figure>> {
        let subjects = [&self.floor, &self.default.floor, &self.default.session];
        let mut cpu = [const { Vec::new() }; 3];
        for _ in 0..self.scale.repetitions {
            for (cpu, subject) in cpu.iter_mut().zip(subjects) {
                cpu.push(self.sessions(Front::Launcher, subject)?.0);
            }
        }
        let [floor, asking, session] = cpu.map(median);
        Ok(vec![
            figure(
                "CPU of a default session beyond its questions to DNS, µs",
                Some(floor),
                session - (asking - floor),
                // 1.6 was aimed at; the sandbox alone is 0.2.
                Budget::Times(1.8),
            ),
            figure("the same with them, µs", Some(floor), session, Budget::None),
        ])
    }

    /// Exact counts, and memory.
    pub fn default_counts(&self) -> io::Result<Vec<Figure>> {
        let counts = count_short(&self.default.session)?;
        let most = |name, value: u64, most| figure(name, None, value as f64, Budget::AtMost(most));
        let faults = |subject| Ok::<_, io::Error>(self.faults(subject)? as f64);
        Ok(vec![
            most("user instructions of a default session", counts.own(), 60_000.0),
            most("system calls of a default session", counts.syscalls, 100.0),
            most("cpuid instructions of a default session", counts.cpuid, 0.0),
            figure(
                "page faults of a default session",
                Some(faults(&self.floor)?),
                faults(&self.default.session)?,
                // Else functions have moved out of src/layout.ld: tests/bench/run --order.
                Budget::AtMost(14.0),
            ),
            figure(
                "user instructions of a list of 14 lines, compiled",
                None,
                count_short(&self.default.listed)?.instructions as f64 - counts.instructions as f64,
                Budget::None,
            ),
            figure(
                "page faults of a session without configuration",
                None,
                faults(&self.plain)?,
                Budget::None,
            ),
            figure(
                "PSS of an idle default session, KiB",
                None,
                self.idle_pss(&self.default.session)?,
                Budget::AtMost(60.0),
            ),
        ])
    }
}
