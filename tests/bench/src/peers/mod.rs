//! The table of README: sessions of smtp-wrapper, and of other programs that stand before an MTA, beside the floor.

mod programs;
mod readme;

pub use programs::in_path;

use crate::count::Counts;
use crate::front::Front;
use crate::measure::{BULK_MESSAGE, Bench, count_short, median};
use crate::server::Subject;
use crate::tally::Tally;
use crate::{name_server, place};
use programs::Programs;
use std::io;

/// Where rblsmtpd asks for a name server.
const DNS: u16 = 53;
const HEAD: &str = "| | CPU of a session | connect to greeting | memory of an idle session | 50 MB message \
                    | user instructions | system calls | `cpuid` | page faults |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|";
/// The rows' names, in their order.
const NAMES: [&str; 8] = [
    "floor",
    "smtp-wrapper, no configuration",
    "smtp-wrapper, default session",
    "the same, under its own `listen`",
    "tcpserver, rblsmtpd, floor",
    "socat",
    "HAProxy, mode tcp",
    "Postfix, before-queue proxy",
];

/// So many of them are the same on every machine.
const OURS: usize = 3;

/// A row before it is measured.
struct Peer {
    front: Front,
    subject: Subject,
    /// One process for each session, which can be started by itself, and so counted.
    counted: bool,
}

/// What was measured.
struct Row {
    cpu: f64,
    greeting: f64,
    idle: f64,
    speed: f64,
    counts: Option<(Counts, u64)>,
}

impl Bench {
    /// Prints the table; true if README has the same.
    pub fn peers(&self) -> io::Result<bool> {
        place::adopt()?;
        name_server::start(DNS, name_server::MAIL)?;
        let programs = Programs::new()?;
        let peers = self.all_peers(&programs);
        let rows = self.rows(&peers)?;
        println!("{HEAD}");
        for (name, row) in NAMES.iter().zip(&rows) {
            println!("{}", row.text(name, &rows[0]));
        }
        println!();
        let mut tally = Tally::default();
        let counted = rows.iter().zip(NAMES).filter_map(|(row, name)| Some((name, row.counts?.0)));
        // Others use the system's C library, which takes what it finds the processor to be.
        let ours = counted.take(OURS).collect::<Vec<_>>();
        readme::check(&mut tally, HEAD, &NAMES, &ours);
        Ok(tally.sum())
    }

    /// What README's table says of smtp-wrapper and the floor, without the others.
    pub fn check_readme(&self, tally: &mut Tally) {
        let subjects = [&self.floor, &self.logged, &self.default.session];
        let mut counted = Vec::new();
        for (name, subject) in NAMES.into_iter().zip(subjects) {
            match count_short(subject) {
                Ok(counts) => counted.push((name, counts)),
                Err(error) => return tally.unknown("README's table", &error),
            }
        }
        readme::check(tally, HEAD, &NAMES, &counted);
    }

    fn all_peers(&self, programs: &Programs) -> [Peer; NAMES.len()] {
        let own = |subject: &Subject| Peer {
            front: Front::Launcher,
            subject: subject.clone(),
            counted: true,
        };
        let listen =
            Peer { front: Front::Listen, subject: self.default.session.clone(), counted: false };
        let rblsmtpd = Peer {
            front: Front::Tcpserver,
            subject: programs.rblsmtpd(&self.floor),
            counted: true,
        };
        let alone = |front, subject| Peer { front, subject, counted: false };
        [
            own(&self.floor),
            own(&self.logged),
            own(&self.default.session),
            listen,
            rblsmtpd,
            alone(Front::Forking, programs.socat()),
            alone(Front::Resident, programs.haproxy()),
            alone(Front::Resident, programs.postfix()),
        ]
    }

    fn rows(&self, peers: &[Peer]) -> io::Result<Vec<Row>> {
        let of = |name: &str, error: io::Error| io::Error::other(format!("{name}: {error}"));
        let mut figures = vec![[Vec::new(), Vec::new(), Vec::new()]; peers.len()];
        for _ in 0..self.scale.repetitions {
            for ((peer, name), figures) in peers.iter().zip(NAMES).zip(&mut figures) {
                let (cpu, greeting) =
                    self.sessions(peer.front, &peer.subject).map_err(|error| of(name, error))?;
                let speed = self
                    .speed(peer.front, &peer.subject, BULK_MESSAGE)
                    .map_err(|error| of(name, error))?;
                for (figures, one) in figures.iter_mut().zip([cpu, greeting, speed]) {
                    figures.push(one);
                }
            }
        }
        let mut rows = Vec::new();
        for ((peer, name), figures) in peers.iter().zip(NAMES).zip(figures) {
            let [cpu, greeting, speeds] = figures;
            let (cpu, greeting) = (median(cpu), median(greeting));
            // The best: it takes both CPUs, and whatever else runs on one of them shows.
            let speed = speeds.into_iter().fold(0.0, f64::max);
            let idle =
                self.idle_pss_of(peer.front, &peer.subject).map_err(|error| of(name, error))?;
            let counts = match peer.counted {
                true => Some((count_short(&peer.subject)?, self.faults(&peer.subject)?)),
                false => None,
            };
            rows.push(Row { cpu, greeting, idle, speed, counts });
        }
        Ok(rows)
    }
}

impl Row {
    fn text(&self, name: &str, floor: &Row) -> String {
        let is_floor = std::ptr::eq(self, floor);
        let cell = |value: f64, floor: f64, unit: &str| match is_floor {
            true => format!("{value:.0} {unit}"),
            false if value >= floor * 10.0 => format!("{:.0} ×", value / floor),
            false => format!("{:.2} ×", value / floor),
        };
        let count = |of: fn(&(Counts, u64)) -> u64| match &self.counts {
            Some(counts) => of(counts).to_string(),
            None => "–".to_string(),
        };
        format!(
            "| {name} | {} | {} | {:.0} KiB | {} | {} | {} | {} | {} |",
            cell(self.cpu, floor.cpu, "µs"),
            cell(self.greeting, floor.greeting, "µs"),
            self.idle,
            cell(self.speed, floor.speed, "MB/s"),
            count(|(counts, _)| counts.instructions),
            count(|(counts, _)| counts.syscalls),
            count(|(counts, _)| counts.cpuid),
            count(|(_, faults)| *faults),
        )
    }
}
