//! A server's page of metrics, read as anybody would: one request, numbers by name and labels.
//!
//! - Limit: [`PATIENCE`] for the page.
//!
//! Read next: `push/stalled.rs`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(30);

/// The lines of a page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn get(admin: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(admin).with_context(|| format!("connecting to {admin}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("reading /metrics")?;
        let (head, text) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "/metrics was refused: {head}");
        Ok(Self { text: text.to_owned() })
    }

    /// The sum of all lines that begin so; none: there is no such line.
    pub(crate) fn sum(&self, beginning: &str) -> Option<u64> {
        let numbers = self.text.lines().filter(|line| line.starts_with(beginning));
        numbers
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
            .reduce(|sum, value| sum + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_up() {
        let text =
            "# TYPE waits counter\nwaits_total{stage=\"a\"} 3\nwaits_total{stage=\"b\"} 4\nother 9\n# EOF\n";
        let page = Page { text: text.into() };
        assert_eq!(page.sum("waits_total{"), Some(7));
        assert_eq!(page.sum("waits_total{stage=\"b\"}"), Some(4));
        assert_eq!(page.sum("nobody"), None);
    }
}
