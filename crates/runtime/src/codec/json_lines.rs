//! Messages as lines of JSON: a person can talk to a listener with `nc`.
//!
//! Why: the vocabulary is the same on every listener; who looks after a server should not need a program to use it.
//! Invariants: a line that is no message does not end the connection: it is handed on as `NotUnderstood`, which
//! whoever runs the listener sends back. An empty line is a sign of life and nothing else.
//! Limits: `line_bytes_max` of a line, its end not counted; beyond it the connection is closed.
//! Read next: `usher_proto::lines`, for what stands in a line.

use super::{Side, decoded, too_large};
use bytes::{BufMut, Bytes, BytesMut};
use usher_hpserver::{BadFrame, CloseReason as Closed, Codec, Decoded, Frame, Partial, TooLarge};
use usher_proto::message::{Ping, Pong};
use usher_proto::{Message, lines};

/// One JSON object a line.
#[derive(Clone, Copy, Debug)]
pub struct JsonLines {
    /// Which end this is.
    pub side: Side,
    /// The longest line taken from a peer.
    pub line_bytes_max: usize,
}

impl JsonLines {
    /// A message as a line.
    pub fn line(&self, message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        match self.encode(message, &mut out) {
            Ok(()) => out.freeze(),
            Err(_) => Bytes::new(),
        }
    }
}

impl Codec<Message> for JsonLines {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(length) if length <= self.line_bytes_max => {
                Ok(Some(Frame { body: 0..length, end: length + 1 }))
            }
            None if bytes.len() <= self.line_bytes_max => Ok(None),
            _ => Err(BadFrame("too_long")),
        }
    }

    fn decode(&self, _partial: &mut Partial, line: &[u8]) -> Result<Decoded<Message>, BadFrame> {
        if line.trim_ascii().is_empty() {
            return Ok(Decoded::Pong);
        }
        Ok(lines::read(self.side.hears(), line).map_or_else(
            |error| Decoded::Packet(lines::not_understood(self.side.hears(), &error).into()),
            decoded,
        ))
    }

    fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), TooLarge> {
        let line = lines::write(message).map_err(|error| too_large(&error, message))?;
        out.reserve(line.len() + 1);
        out.put_slice(line.as_bytes());
        out.put_u8(b'\n');
        Ok(())
    }

    fn ping(&self) -> Option<Bytes> {
        Some(self.line(&Ping {}.into()))
    }

    fn pong(&self) -> Option<Bytes> {
        Some(self.line(&Pong {}.into()))
    }

    fn farewell(&self, reason: Closed) -> Option<Bytes> {
        self.side.last_words(reason).map(|message| self.line(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::message::{CloseClient, NotUnderstood};

    const CODEC: JsonLines = JsonLines { side: Side::ToAdministrators, line_bytes_max: 40 };

    fn said(line: &str) -> Decoded<Message> {
        CODEC.decode(&mut Partial::default(), line.as_bytes()).unwrap()
    }

    #[test]
    fn a_line_is_found_at_every_split() {
        let stream = b"{\"close_client\":{\"client\":7}}\r\nx";
        for cut in 0..=stream.len() {
            let found = CODEC.frame(&stream[..cut]).unwrap();
            assert_eq!(found, (cut >= 31).then_some(Frame { body: 0..30, end: 31 }), "cut at {cut}");
        }
        assert_eq!(
            said("{\"close_client\":{\"client\":7}}\r"),
            Decoded::Packet(CloseClient { client: 7 }.into())
        );
    }

    #[test]
    fn a_line_over_the_limit_is_refused_whether_it_ends_or_not() {
        let longest = [b'x'; 40];
        assert_eq!(CODEC.frame(&longest), Ok(None));
        assert_eq!(CODEC.frame(&[&longest[..], b"\n"].concat()), Ok(Some(Frame { body: 0..40, end: 41 })));
        for longer in [&b"x"[..], b"x\n", b"\r\n"] {
            assert_eq!(CODEC.frame(&[&longest[..], longer].concat()), Err(BadFrame("too_long")));
        }
    }

    #[test]
    fn signs_of_life_are_told_apart_and_wrong_lines_are_answers() {
        assert_eq!(said("{\"ping\":{}}"), Decoded::Ping);
        assert_eq!(said("{\"pong\":{}}"), Decoded::Pong);
        assert_eq!(said(" \r"), Decoded::Pong);
        for wrong in ["hello", "{\"subscribe\":{\"topic\":\"gold\"}}"] {
            let Decoded::Packet(Message::NotUnderstood(NotUnderstood { why })) = said(wrong) else {
                panic!("{wrong} was understood");
            };
            assert!(!why.is_empty());
        }
    }

    #[test]
    fn every_word_of_the_server_is_one_line() {
        let last = CODEC.farewell(Closed::BadFrame("too_long")).unwrap();
        assert_eq!(last, "{\"closing\":{\"reason\":\"bad_frame\"}}\n");
        assert_eq!(CODEC.ping().unwrap(), "{\"ping\":{}}\n");
        assert_eq!(JsonLines { side: Side::PushClient, ..CODEC }.farewell(Closed::PingTimeout), None);
    }
}
