//! Four ways to say the same thing: what joins, what is said, and what each member then hears.
//!
//! What is heard of a message is known to the byte before it is said, the server's own header included. So nothing
//! is parsed: a stream is compared with what it must be, wherever reads cut it. (Of a sealed one, what it says.)
//!
//! - Limits: what redis and nats may say besides is not known here, but for the ping of nats; it is an error.
//!
//! Read next: `tape.rs`, `channel.rs`, `member.rs`.

use std::fmt;
use std::net::TcpStream;

use anyhow::Result;
use clap::ValueEnum;

use super::channel::Channel;

/// The protocol of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// `u16` length, big-endian, then that many bytes. Who is connected has joined.
    Framed,
    /// The same frames, sealed one by one after a handshake.
    Sealed,
    /// RESP2: SUBSCRIBE and PUBLISH, which a subscriber may not do, and whose reply says how many heard it.
    Redis,
    /// CONNECT, SUB, PUB and MSG; PING and PONG.
    Nats,
}

/// What nats asks of a client now and then, between two messages.
pub(super) const PING: &[u8] = b"PING\r\n";
pub(super) const PONG: &[u8] = b"PONG\r\n";

impl Protocol {
    /// What all that is said on this connection goes through, once both ends agree.
    pub(super) fn channel(self, stream: &mut TcpStream) -> Result<Channel> {
        if self == Self::Sealed { Channel::sealed(stream) } else { Ok(Channel::Clear) }
    }

    /// What a newcomer says, and what it has heard last when it hears everything from then on.
    ///
    /// Framed or sealed: the message itself, which the others hear, too.
    pub(super) fn greeting(self, message: &[u8]) -> [Vec<u8>; 2] {
        let bytes = |text: &str| text.as_bytes().to_vec();
        match self {
            Self::Framed | Self::Sealed => [self.said(message), self.heard(message)],
            Self::Redis => [
                bytes("*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nroom\r\n"),
                bytes("*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n"),
            ],
            Self::Nats => [
                bytes("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB room 1\r\nPING\r\n"),
                PONG.to_vec(),
            ],
        }
    }

    /// Whether who joins is heard by those who are there.
    pub(super) fn greets_all(self) -> bool {
        matches!(self, Self::Framed | Self::Sealed)
    }

    /// The bytes that say a message, in clear.
    pub(super) fn said(self, message: &[u8]) -> Vec<u8> {
        let length = message.len();
        match self {
            Self::Framed | Self::Sealed => framed(message),
            Self::Redis => {
                wrapped(&format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n${length}\r\n"), message, "\r\n")
            }
            Self::Nats => wrapped(&format!("PUB room {length}\r\n"), message, "\r\n"),
        }
    }

    /// The bytes in which each member hears it, in clear.
    pub(super) fn heard(self, message: &[u8]) -> Vec<u8> {
        let length = message.len();
        match self {
            Self::Framed | Self::Sealed => framed(message),
            Self::Redis => {
                wrapped(&format!("*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n${length}\r\n"), message, "\r\n")
            }
            Self::Nats => wrapped(&format!("MSG room 1 {length}\r\n"), message, "\r\n"),
        }
    }

    /// What a speaker that is no member hears of each message, if there has to be one.
    pub(super) fn reply(self, members: usize) -> Option<Vec<u8>> {
        (self == Self::Redis).then(|| format!(":{members}\r\n").into_bytes())
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("invariant: the command line has no larger size");
    [&length.to_be_bytes(), message].concat()
}

fn wrapped(before: &str, message: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), message, after.as_bytes()].concat()
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Framed => "framed",
            Self::Sealed => "sealed",
            Self::Redis => "redis",
            Self::Nats => "nats",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_on_the_wire() {
        let said = |protocol: Protocol| String::from_utf8(protocol.said(b"hello")).unwrap();
        let heard = |protocol: Protocol| String::from_utf8(protocol.heard(b"hello")).unwrap();
        assert_eq!(
            (said(Protocol::Framed).as_str(), heard(Protocol::Framed).as_str()),
            ("\0\x05hello", "\0\x05hello")
        );
        assert_eq!(said(Protocol::Redis), "*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
        assert_eq!(heard(Protocol::Redis), "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n");
        assert_eq!(said(Protocol::Nats), "PUB room 5\r\nhello\r\n");
        assert_eq!(heard(Protocol::Nats), "MSG room 1 5\r\nhello\r\n");
    }

    #[test]
    fn only_redis_replies() {
        assert_eq!(Protocol::Redis.reply(400).unwrap(), b":400\r\n");
        assert!([Protocol::Framed, Protocol::Nats].iter().all(|protocol| protocol.reply(400).is_none()));
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for protocol in Protocol::value_variants() {
            assert_eq!(Protocol::from_str(&protocol.to_string(), false), Ok(*protocol));
        }
    }
}
