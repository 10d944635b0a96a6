//! A tool that is run to its end, and what it has told.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Output and exit status of the program with these arguments, and this on standard input.
pub fn tool(words: &[&str], input: &[u8]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-wrapper"));
    command.args(words).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it is written");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.code().expect("a status"))
}

/// The figure behind this name in what `report` tells.
#[track_caller]
pub fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    let rest = line.unwrap_or_else(|| panic!("no {name} in {text}")).trim_start();
    let digits = rest.strip_prefix(name).unwrap().trim_start();
    let digits = digits.split("  ").next().unwrap().replace(' ', "");
    digits.parse().unwrap_or_else(|_| panic!("{rest}"))
}
