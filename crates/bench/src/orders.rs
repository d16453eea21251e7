//! What a load is told on stdin and answers on stdout, one line each.
//!
//! - Invariant: `ready` comes first; every `run` and `count` is answered by one line of JSON.
//!
//! Read next: `load.rs` and `audience.rs`, which obey.

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::account::Limit;
use crate::slice::Slice;

#[derive(Debug, PartialEq, Eq)]
enum Order {
    Run(Duration),
    Count(u64),
    Quit,
}

/// Says that all is ready, then has each order obeyed until `quit` or the end of stdin.
pub(crate) fn obey(mut slice: impl FnMut(Limit) -> Result<Slice>) -> Result<()> {
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let limit = match Order::parse(&line?)? {
            Order::Run(time) => Limit::Time(time),
            Order::Count(messages) => Limit::Messages(messages),
            Order::Quit => break,
        };
        println!("{}", serde_json::to_string(&slice(limit)?)?);
    }
    Ok(())
}

impl Order {
    fn parse(line: &str) -> Result<Self> {
        let wrong = || format!("`{line}` is none of: run MILLIS, count MESSAGES, quit");
        let mut words = line.split_whitespace();
        let order = match (words.next(), words.next()) {
            (Some("run"), Some(millis)) => {
                Self::Run(Duration::from_millis(millis.parse().with_context(wrong)?))
            }
            (Some("count"), Some(messages)) => Self::Count(messages.parse().with_context(wrong)?),
            (Some("quit"), None) => Self::Quit,
            _ => bail!(wrong()),
        };
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert_eq!(Order::parse("run 500").unwrap(), Order::Run(Duration::from_millis(500)));
        assert_eq!(Order::parse("count 1000\n").unwrap(), Order::Count(1000));
        assert_eq!(Order::parse("quit").unwrap(), Order::Quit);
        for line in ["", "run", "run x", "count -1", "quit now", "walk 5"] {
            let error = format!("{:#}", Order::parse(line).unwrap_err());
            assert!(error.contains("is none of"), "{line}: {error}");
        }
    }
}
