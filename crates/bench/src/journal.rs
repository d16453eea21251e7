//! The figures for machines: one JSON object a line, in the form all benches share.
//!
//! - Invariant: a line is written as soon as it is known, so that an interrupted run keeps what it had.
//!
//! Read next: the contract on benches, in `docs/architecture.md`.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::interval::Interval;

/// Where the lines go.
pub(crate) struct Journal {
    bench: &'static str,
    out: Box<dyn Write>,
}

#[derive(Serialize)]
struct Line<'a> {
    bench: &'a str,
    case: &'a str,
    value: f64,
    low: f64,
    high: f64,
    unit: &'a str,
}

impl Journal {
    /// To this file, else to stdout.
    pub(crate) fn open(bench: &'static str, path: Option<&Path>) -> Result<Self> {
        let out: Box<dyn Write> = match path {
            Some(path) => {
                Box::new(File::create(path).with_context(|| format!("creating {}", path.display()))?)
            }
            None => Box::new(std::io::stdout()),
        };
        Ok(Self { bench, out })
    }

    pub(crate) fn write(&mut self, case: &str, figure: Interval, unit: &str) -> Result<()> {
        let Interval { value, low, high } = figure;
        let line = Line { bench: self.bench, case, value, low, high, unit };
        writeln!(self.out, "{}", serde_json::to_string(&line)?).context("writing a line of JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_the_contract() {
        let line = Line { bench: "echo", case: "a/b", value: 1.5, low: 1.0, high: 2.0, unit: "ratio" };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"bench":"echo","case":"a/b","value":1.5,"low":1.0,"high":2.0,"unit":"ratio"}"#
        );
    }
}
