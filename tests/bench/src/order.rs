//! The order of the program's functions: what sessions run, by single steps, for the linker (src/layout.ld).
//! It has to be printed anew when functions are renamed or made: until then those lie among the others, which the count
//! of page faults tells.

use crate::client::{self, Play};
use crate::count;
use crate::measure::Bench;
use std::collections::HashSet;
use std::process::Command;
use std::{fs, io};

/// The list lies between these lines of the file.
const BEGIN: &str = "/* tests/bench/run --order: from here */";
const END: &str = "/* tests/bench/run --order: to here */";

impl Bench {
    /// Prints the linker script anew, whose path is that of the repository this was built in.
    pub fn print_order(&self) -> io::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/layout.ld");
        let script = fs::read_to_string(path)?;
        let marked =
            || io::Error::other(format!("{path}: a line with {BEGIN:?} or {END:?} is missing"));
        let (before, rest) = script.split_once(BEGIN).ok_or_else(marked)?;
        let (_, after) = rest.split_once(END).ok_or_else(marked)?;
        let functions = functions(&self.plain.command[0])?;
        let (mut seen, mut lines) = (HashSet::new(), HashSet::new());
        println!("{before}{BEGIN}");
        let greater: [(_, _, Play); 1] = [("greater", &self.plain, client::greater_message)];
        for (_, subject, play) in self.guarded().into_iter().chain(greater) {
            for at in count::addresses(subject, play)? {
                let behind = functions.partition_point(|(start, _)| *start <= at);
                let Some((start, _)) = functions[..behind].last() else { continue };
                if !seen.insert(*start) {
                    continue;
                }
                // Under all its names, for its section has one of them.
                let names = functions[..behind].iter().rev().take_while(|(same, _)| same == start);
                for line in names.map(|(_, name)| pattern(name)) {
                    if lines.insert(line.clone()) {
                        println!("        {line}");
                    }
                }
            }
        }
        print!("        {END}{after}");
        Ok(())
    }
}

/// The functions of a binary by address, from its symbols.
fn functions(binary: &str) -> io::Result<Vec<(u64, String)>> {
    let output = Command::new("nm").args(["--numeric-sort", binary]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let functions: Vec<(u64, String)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
            is_code.then(|| Some((address, words.next()?.to_owned())))?
        })
        .collect();
    if functions.is_empty() {
        return Err(io::Error::other(format!(
            "{binary} has no symbols: build it with CARGO_PROFILE_RELEASE_STRIP=false"
        )));
    }
    Ok(functions)
}

/// The sections of a function: its instructions, and behind them the tables that it jumps by.
fn pattern(symbol: &str) -> String {
    let name = without_hashes(symbol);
    format!("*(.text*.{name} .rodata*.{name}*)")
}

/// What the compiler adds to the names of crates is another for each version and place.
fn without_hashes(symbol: &str) -> String {
    let mut pattern = String::new();
    let mut rest = symbol;
    while let Some((before, after)) = rest.split_once("Cs") {
        let (hash, name) = after.split_once('_').unwrap_or(("", after));
        let is_hash = hash.len() > 8 && name.starts_with(|letter: char| letter.is_ascii_digit());
        pattern.push_str(before);
        pattern.push_str(if is_hash { "C*" } else { "Cs" });
        rest = if is_hash { name } else { after };
    }
    pattern + rest
}
