//! Whether README has the table that is printed, and the counts that are measured.

use crate::count::Counts;
use crate::tally::Tally;

const README: &str = include_str!("../../../../README.md");
const BEGIN: &str = "<!-- tests/bench/run --peers -->\n";
const END: &str = "<!-- the end of it -->\n";

/// Instructions may be so many of a hundred off: what is printed is what was measured on some day.
const PERCENT: u64 = 1;

/// The columns of instructions, system calls, `cpuid`.
const INSTRUCTIONS: usize = 6;

pub fn check(tally: &mut Tally, head: &str, names: &[&str], counted: &[(&str, Counts)]) {
    let table = README.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let Some((table, _)) = table else {
        return tally.tell(false, &format!("README has no table between {BEGIN:?} and {END:?}"));
    };
    let rows = table.strip_prefix(head).map(|rows| rows.lines().skip(1).map(cells));
    let rows: Vec<Vec<&str>> = rows.into_iter().flatten().collect();
    let as_printed = rows.iter().map(|row| row[1]).eq(names.iter().copied());
    tally.tell(as_printed, "README's table has the rows and columns of tests/bench/run --peers");
    for (name, counts) in counted {
        let row = rows.iter().find(|row| row.get(1) == Some(name));
        let written = row.and_then(|row| {
            let number = |at: usize| row.get(at)?.parse::<u64>().ok();
            Some([number(INSTRUCTIONS)?, number(INSTRUCTIONS + 1)?, number(INSTRUCTIONS + 2)?])
        });
        let measured = [counts.instructions, counts.syscalls, counts.cpuid];
        let met = written.is_some_and(|written| {
            written[0].abs_diff(measured[0]) * 100 <= measured[0] * PERCENT
                && written[1..] == measured[1..]
        });
        let [instructions, calls, cpuid] = measured;
        tally.tell(
            met,
            &format!(
                "README's counts for {name}: {instructions} instructions ± {PERCENT} %, {calls} system calls, \
                 {cpuid} cpuid were measured"
            ),
        );
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.split('|').map(str::trim).collect()
}
