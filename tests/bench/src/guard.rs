//! The guard: what sessions take, to the instruction, against the file `counts`. Time tells of a change only when
//! it is great; these counts are the same in each run, so that whoever makes sessions dearer gets to know it.

use crate::client::{self, Play};
use crate::count::Counts;
use crate::measure::{Bench, count_of};
use crate::place;
use crate::server::Subject;
use crate::tally::Tally;
use std::{fs, io};

const FILE: &str = include_str!("../counts");

/// The same compiler makes the same instructions, and the same Landlock is set up by the same calls. What is left is
/// the length of process ids and the like: a digit more is up to 290 instructions, and the file has the middle.
const INSTRUCTIONS: u64 = 200;
/// Others make others: so many of a hundred, and so many system calls.
const PERCENT_OF_OTHERS: u64 = 5;
const SYSCALLS_OF_OTHERS: u64 = 8;

/// What the file has for a session.
struct Standing {
    instructions: u64,
    syscalls: u64,
}

impl Bench {
    /// What is guarded, by its name in the file.
    pub fn guarded(&self) -> [(&'static str, &Subject, Play); 4] {
        [
            ("plain", &self.plain, client::short_session),
            ("logged", &self.logged, client::short_session),
            ("default", &self.default.session, client::short_session),
            ("suspect", &self.default.suspect, client::refused_session),
        ]
    }

    pub fn guard(&self, tally: &mut Tally) {
        let circumstances = match circumstances(&self.plain.command[0]) {
            Ok(circumstances) => circumstances,
            Err(error) => return tally.unknown("counts", &error),
        };
        let same = circumstances.iter().all(|one| FILE.lines().any(|line| line == one));
        if !same {
            println!("note: here it is {}, unlike in tests/bench/counts", circumstances.join(", "));
        }
        for (name, subject, play) in self.guarded() {
            match count_of(subject, play) {
                Ok(counts) => tell(tally, name, counts, same),
                Err(error) => tally.unknown(name, &error),
            }
        }
    }

    /// The file as it should be now.
    pub fn print_counts(&self) -> io::Result<()> {
        for line in FILE.lines().take_while(|line| line.starts_with('#')) {
            println!("{line}");
        }
        for one in circumstances(&self.plain.command[0])? {
            println!("{one}");
        }
        for (name, subject, play) in self.guarded() {
            let counts = count_of(subject, play)?;
            println!("{name:<8} {:>7} {:>4}", counts.own(), counts.syscalls);
        }
        Ok(())
    }
}

fn tell(tally: &mut Tally, name: &str, counts: Counts, same: bool) {
    let Some(standing) = standing(name) else {
        return tally.tell(false, &format!("counts: tests/bench/counts has no line for {name}"));
    };
    let (instructions, syscalls) = match same {
        true => (INSTRUCTIONS, 0),
        false => (standing.instructions * PERCENT_OF_OTHERS / 100, SYSCALLS_OF_OTHERS),
    };
    let met = counts.own().abs_diff(standing.instructions) <= instructions
        && counts.syscalls.abs_diff(standing.syscalls) <= syscalls;
    let remedy = if met {
        ""
    } else {
        "; find what has changed it, or put the new count into tests/bench/counts in the same commit \
         (tests/bench/run --counts BINARY prints the file)"
    };
    tally.tell(
        met,
        &format!(
            "counts of a {name} session: {} instructions ({} ± {instructions}), {} system calls ({} ± {syscalls}){remedy}",
            counts.own(),
            standing.instructions,
            counts.syscalls,
            standing.syscalls,
        ),
    );
}

fn standing(name: &str) -> Option<Standing> {
    let mut words = FILE
        .lines()
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
    Some(Standing {
        instructions: words.next()?.parse().ok()?,
        syscalls: words.next()?.parse().ok()?,
    })
}

/// What the counts go by, as lines of the file: the compiler, which has written into the binary what it is, and the
/// kernel's Landlock.
fn circumstances(binary: &str) -> io::Result<[String; 2]> {
    const MARK: &[u8] = b"rustc version ";
    let octets = fs::read(binary)?;
    let at = octets.windows(MARK.len()).position(|octets| octets == MARK);
    let text = at.and_then(|at| octets[at..].split(|&octet| octet == 0).next());
    let text = text.ok_or_else(|| io::Error::other("the binary does not tell its compiler"))?;
    Ok([String::from_utf8_lossy(text).into_owned(), format!("landlock {}", place::landlock())])
}
