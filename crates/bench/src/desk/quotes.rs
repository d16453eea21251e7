//! Who sets quotes: the next key in turn, at a steady rate, each worth its number.
//!
//! - Limit: [`KEYS`]; so many differ, and the others take the places of older ones.
//!
//! Read next: `parties.rs`.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use mio::{Registry, Token};
use usher_proto::message::{ControllerHello, Quote, SetQuote};

use super::line::Line;
use super::pace::Pace;

pub(crate) const TOPIC: &str = "gold";
pub(crate) const KEYS: usize = 64;
/// Of a quote.
pub(crate) const VALUE_BYTES: usize = 200;

pub(super) struct Quotes {
    pub(super) line: Line,
    pub(super) pace: Pace,
    is_welcome: bool,
    /// Of the last quote.
    number: u64,
}

impl Quotes {
    pub(super) fn come(
        address: SocketAddr,
        token: Token,
        registry: &Registry,
        per_second: u32,
    ) -> Result<Self> {
        let mut line = Line::open(address, token, registry)?;
        line.say(ControllerHello { name: "exchange".into(), generation: 0 })?;
        line.flush()?;
        Ok(Self { line, pace: Pace::new(per_second), is_welcome: false, number: 0 })
    }

    pub(super) fn is_welcome(&self) -> bool {
        self.is_welcome
    }

    pub(super) fn set_what_is_due(&mut self, now: u64) -> Result<()> {
        while self.pace.next() <= now {
            self.pace.advance();
            self.number += 1;
            self.line.say(numbered(self.number))?;
        }
        self.line.flush()
    }

    /// Nothing but the welcome: a quote is answered only if it is denied.
    pub(super) fn hear_all(&mut self) -> Result<()> {
        while let Some(message) = self.line.next()? {
            if !matches!(message, usher_proto::Message::ControllerWelcome(_)) {
                bail!("was told {message:?}");
            }
            self.is_welcome = true;
        }
        Ok(())
    }
}

/// The quote of this number.
fn numbered(number: u64) -> SetQuote {
    let key = format!("{:02}", number as usize % KEYS);
    SetQuote { topic: TOPIC.into(), key, value: format!("{number:0>VALUE_BYTES$}").into() }
}

/// Which key a quote is of, and its number; none: it was not set here.
pub(super) fn key_and_number(quote: &Quote) -> Option<(usize, u64)> {
    let number: u64 = std::str::from_utf8(&quote.value).ok()?.parse().ok()?;
    let key: usize = quote.key.parse().ok()?;
    (quote.topic == TOPIC && number as usize % KEYS == key).then_some((key, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_says_which_it_is() {
        let SetQuote { topic, key, value } = numbered(130);
        assert_eq!((key.as_str(), value.len()), ("02", VALUE_BYTES));
        let quote = Quote { topic, key, value };
        assert_eq!(key_and_number(&quote), Some((2, 130)));
        assert_eq!(key_and_number(&Quote { key: "03".into(), ..quote.clone() }), None);
        assert_eq!(key_and_number(&Quote { topic: "iron".into(), ..quote }), None);
    }
}
