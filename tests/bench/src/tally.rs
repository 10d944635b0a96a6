//! Checks that passed and failed: a line for each, and the sum.

use crate::figure::Figure;
use std::io;

/// What a measurement came to, and its name for when it came to nothing.
pub type Measured = (&'static str, io::Result<Vec<Figure>>);

#[derive(Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    pub fn tell(&mut self, met: bool, line: &str) {
        println!("{}  {line}", if met { "pass" } else { "FAIL" });
        if met { self.passed += 1 } else { self.failed += 1 }
    }

    /// A line for each budget.
    pub fn budgets(&mut self, results: &[Measured]) {
        for (name, result) in results {
            match result {
                Ok(figures) => {
                    for figure in figures {
                        if let Some(line) = figure.verdict() {
                            self.tell(figure.met(), &line);
                        }
                    }
                }
                Err(error) => self.unknown(name, error),
            }
        }
    }

    pub fn unknown(&mut self, name: &str, error: &io::Error) {
        self.tell(false, &format!("{name}: cannot be measured: {error}"));
    }

    /// Prints the sum; true if nothing failed.
    pub fn sum(&self) -> bool {
        println!("bench: {} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}
