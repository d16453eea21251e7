//! The cases of a bench: chosen by a part of their names, listed, run one after the other.
//!
//! - Owns: what all benches of several cases have on their command lines.
//! - Invariant: a case that fails ends no other; the bench fails at its end.
//!
//! Read next: `bout.rs`, `layer1.rs`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use crate::journal::Journal;

/// One case of a bench.
pub(crate) trait Case {
    /// Parts between slashes, the larger thing first.
    fn name(&self) -> String;
}

/// Which cases, and where their figures go.
#[derive(Debug, Default, Args)]
pub(crate) struct Choice {
    /// Only cases whose name holds this; may be given several times.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Write the lines of JSON to this file, not to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the names of the cases and stop.
    #[arg(long)]
    list: bool,
}

impl Choice {
    /// All cases unless told.
    pub(crate) fn holds(&self, case: &impl Case) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|part| case.name().contains(part.as_str()))
    }

    /// Runs these cases of all it has, or lists them; says first how long that takes.
    pub(crate) fn run<C: Case>(
        &self,
        bench: &'static str,
        cases: &[C],
        estimate: &str,
        mut each: impl FnMut(&C, &mut Journal) -> Result<()>,
    ) -> Result<()> {
        ensure!(!cases.is_empty(), "no case has such a name; `--list` shows them");
        if self.list {
            for case in cases {
                println!("{}", case.name());
            }
            return Ok(());
        }
        eprintln!("{estimate}");
        let mut journal = Journal::open(bench, self.json.as_deref())?;
        let mut failed = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let name = case.name();
            eprintln!("[{}/{}] {name}", index + 1, cases.len());
            if let Err(error) = each(case, &mut journal) {
                eprintln!("\n{name} FAILED: {error:#}");
                failed.push(name);
            }
        }
        ensure!(failed.is_empty(), "{} of {} cases failed: {}", failed.len(), cases.len(), failed.join(", "));
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn of(cases: &[&str]) -> Self {
        Self { cases: cases.iter().map(ToString::to_string).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Case for Named {
        fn name(&self) -> String {
            self.0.into()
        }
    }

    #[test]
    fn cases_are_chosen_by_a_part_of_the_name() {
        let chosen = |parts: &[&str]| {
            let choice = Choice::of(parts);
            ["a/x", "a/y", "b/y"].into_iter().filter(|name| choice.holds(&Named(name))).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]), ["a/x", "a/y", "b/y"]);
        assert_eq!(chosen(&["/y"]), ["a/y", "b/y"]);
        assert_eq!(chosen(&["a/x", "b"]), ["a/x", "b/y"]);
        assert_eq!(chosen(&["nobody"]), [""; 0]);
    }

    #[test]
    fn a_case_that_fails_ends_no_other() {
        let mut seen = Vec::new();
        let result = Choice::default().run("test", &["a", "b", "c"].map(Named), "", |case, _| {
            seen.push(case.0);
            ensure!(case.0 != "b", "lost its way");
            Ok(())
        });
        assert_eq!(seen, ["a", "b", "c"]);
        assert_eq!(result.unwrap_err().to_string(), "1 of 3 cases failed: b");
    }

    #[test]
    fn none_or_a_list_runs_nothing() {
        let none = |_: &Named, _: &mut Journal| unreachable!("nothing is run");
        assert!(Choice::default().run("test", &[], "", none).is_err());
        let listing = Choice { list: true, ..Choice::default() };
        listing.run("test", &[Named("a")], "", none).unwrap();
    }
}
