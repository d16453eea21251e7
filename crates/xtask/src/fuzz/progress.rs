//! What libFuzzer prints, as one line of progress and the figures at its end.
//!
//! - Owns: which of its lines are figures. All others are kept, for the report of a crash.
//! - Limit: of those the last [`LINES_MAX`].
//!
//! Read next: <https://llvm.org/docs/LibFuzzer.html#output>.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::time::Duration;

use anyhow::Result;

use crate::cargo::now;

/// Enough for a panic with its backtrace and a sanitizer's report.
const LINES_MAX: usize = 400;
/// How often a line of progress is printed where lines stay.
const EVERY: Duration = Duration::from_secs(20);
const EVERY_ON_A_TERMINAL: Duration = Duration::from_millis(200);

/// What became of one target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) runs: u64,
    /// Edges of the code that were reached, and how many inputs it took.
    pub(super) edges: u64,
    pub(super) inputs: u64,
    pub(super) seconds: u64,
    /// Where the bytes are that the target did not survive.
    pub(super) artifact: Option<String>,
    /// What was said beside the figures.
    pub(super) said: String,
}

impl Outcome {
    pub(super) fn figures(&self) -> String {
        let Self { runs, edges, inputs, seconds, .. } = self;
        format!("{runs} runs in {seconds} s; {edges} edges reached by {inputs} inputs")
    }

    /// Takes the figures of a line that has some: `#512 NEW cov: 120 ft: 300 corp: 9/2Kb ...`; false: it has none.
    fn take(&mut self, line: &str) -> bool {
        if let Some(runs) = line.strip_prefix("stat::number_of_executed_units:") {
            self.runs = runs.trim().parse().unwrap_or(self.runs);
            return true;
        }
        // A frame of a stack begins with a number too, but never a line.
        let Some(rest) = line.strip_prefix('#') else { return false };
        let mut words = rest.split_whitespace();
        let Some(Ok(runs)) = words.next().map(str::parse) else { return false };
        self.runs = runs;
        while let Some(word) = words.next() {
            let figure = match word {
                "cov:" => &mut self.edges,
                "corp:" => &mut self.inputs,
                _ => continue,
            };
            let digits = words.next().and_then(|value| value.split('/').next());
            *figure = digits.and_then(|digits| digits.parse().ok()).unwrap_or(*figure);
        }
        true
    }
}

/// Reads all that is said, and shows how far it is.
pub(super) fn follow(name: &str, seconds: u32, said: impl Read) -> Result<Outcome> {
    let (mut outcome, mut others) = (Outcome::default(), VecDeque::new());
    let is_terminal = std::io::stdout().is_terminal();
    let every = if is_terminal { EVERY_ON_A_TERMINAL } else { EVERY };
    let (started, mut shown) = (now(), now());
    for line in BufReader::new(said).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        outcome.seconds = started.elapsed().as_secs();
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            outcome.artifact = Some(path.to_owned());
        } else if !outcome.take(&line) {
            others.push_back(line);
            if others.len() > LINES_MAX {
                others.pop_front();
            }
        }
        if shown.elapsed() >= every {
            shown = now();
            let progress = format!("{name}: of {seconds} s: {}", outcome.figures());
            print!("{}", if is_terminal { format!("\r{progress}\x1b[K") } else { progress + "\n" });
            std::io::stdout().flush()?;
        }
    }
    if is_terminal {
        print!("\r\x1b[K");
    }
    outcome.said = Vec::from(others).join("\n");
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_from_what_a_crash_says() {
        let said = "INFO: Seed: 1\n#2\tINITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #4096\tpulse  cov: 345 ft: 901 corp: 27/1024b lim: 43 exec/s: 2048 rss: 41Mb\n\
            thread panicked\n    #0 0x5 in main\nstat::number_of_executed_units: 4100\nartifact_prefix='x/'; Test unit written to x/crash-1\n";
        let outcome = follow("a", 1, said.as_bytes()).unwrap();
        assert_eq!((outcome.runs, outcome.edges, outcome.inputs), (4100, 345, 27));
        assert_eq!(outcome.artifact.as_deref(), Some("x/crash-1"));
        assert_eq!(outcome.said, "INFO: Seed: 1\nthread panicked\n    #0 0x5 in main");
    }

    #[test]
    fn a_line_without_figures_changes_nothing() {
        let mut outcome = Outcome { runs: 7, edges: 8, ..Outcome::default() };
        assert!(!outcome.take("#x cov: 1") && !outcome.take("cov: 1") && !outcome.take(""));
        assert!(outcome.take("#9 pulse cov: many"));
        assert_eq!((outcome.runs, outcome.edges), (9, 8));
    }
}
