//! One connection: its place on the tape of what it must hear, and what it still has to say.
//!
//! - Invariant: a byte that, in clear, is not the tape's next one is an error, but for the ping of nats between two
//!   messages.
//! - Limit: none on what it has to say; whoever speaks is bounded by the window.
//!
//! Read next: `tape.rs`, `channel.rs`, `room.rs`.

use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use super::channel::Channel;
use super::protocol::{PING, PONG, Protocol};
use super::tape::Tape;

const JOIN_MAX: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 4 * 1024;
/// Of an answer that is not what it should be.
const SHOWN_BYTES: usize = 80;

pub(super) struct Member {
    stream: TcpStream,
    channel: Channel,
    place: u64,
    unsent: Vec<u8>,
    /// How many bytes of a ping it has heard.
    pinged: usize,
}

impl Member {
    /// Everything after this place is to be heard on this connection.
    pub(super) fn new(
        stream: std::net::TcpStream,
        channel: Channel,
        place: u64,
        token: Token,
        poll: &Poll,
    ) -> Result<Self> {
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        // Edge-triggered, to be told of room to write costs nothing while there is room.
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, channel, place, unsent: Vec::new(), pinged: 0 })
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// Says this, and whatever waits before it.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(&self.channel.seal(bytes)?);
        self.flush()
    }

    /// Hears what there is; the messages that are whole by it. `ending` when the event said that the server closed.
    pub(super) fn ready(&mut self, ending: bool, tape: &Tape, buffer: &mut [u8]) -> Result<Range<u64>> {
        self.flush()?;
        let before = tape.whole(self.place);
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(length) => {
                    let clear = self.channel.open(&buffer[..length])?;
                    self.hear(&clear, tape)?;
                    // A short read emptied the socket; what comes later is a new event.
                    if length < buffer.len() && !ending {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading"),
            }
        }
        Ok(before..tape.whole(self.place))
    }

    fn hear(&mut self, mut bytes: &[u8], tape: &Tape) -> Result<()> {
        while !bytes.is_empty() {
            let same = same(bytes, tape.stretch(self.place, bytes.len()));
            self.place += same as u64;
            bytes = &bytes[same..];
            if !bytes.is_empty() {
                bytes = self.hear_ping(bytes, tape.is_between_messages(self.place))?;
            }
        }
        Ok(())
    }

    /// Takes the next bytes of a ping off the front, or finds that they are none.
    fn hear_ping<'a>(&mut self, bytes: &'a [u8], between_messages: bool) -> Result<&'a [u8]> {
        let wanted = &PING[self.pinged..];
        let length = wanted.len().min(bytes.len());
        if !between_messages || bytes[..length] != wanted[..length] {
            let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
            bail!("heard something else than was said: {:?}", String::from_utf8_lossy(shown));
        }
        self.pinged = (self.pinged + length) % PING.len();
        if self.pinged == 0 {
            self.say(PONG)?;
        }
        Ok(&bytes[length..])
    }

    fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing"),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }
}

/// Says the greeting and waits for its answer, of which only the end need be known.
pub(super) fn greet(
    stream: &mut std::net::TcpStream,
    protocol: Protocol,
    [greeting, answer]: [Vec<u8>; 2],
) -> Result<Channel> {
    stream.set_read_timeout(Some(JOIN_MAX))?;
    let mut channel = protocol.channel(stream)?;
    stream.write_all(&channel.seal(&greeting)?)?;
    let (mut heard, mut chunk) = (Vec::new(), [0; CHUNK_BYTES]);
    while !heard.ends_with(&answer) {
        let length = stream.read(&mut chunk).context("waiting for the answer to a greeting")?;
        ensure!(length > 0, "the server closed the connection: {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&channel.open(&chunk[..length])?);
    }
    Ok(channel)
}

/// How many bytes are the same from the start.
fn same(some: &[u8], others: &[u8]) -> usize {
    if some == others {
        return some.len();
    }
    some.iter().zip(others).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use bytes::BytesMut;

    use super::*;
    use crate::audience::channel::pair;

    const MESSAGE: &[u8] = b"MSG room 1 2\r\nhi\r\n";

    fn member(poll: &Poll) -> (Member, TcpStream) {
        member_behind(Channel::Clear, poll)
    }

    fn member_behind(channel: Channel, poll: &Poll) -> (Member, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Member::new(stream, channel, 0, Token(0), poll).unwrap(), listener.accept().unwrap().0)
    }

    fn tape() -> Tape {
        let mut tape = Tape::new(MESSAGE.len());
        tape.append(MESSAGE, 1);
        tape.append(MESSAGE, 2);
        tape
    }

    #[test]
    fn a_stream_with_pings_is_heard_wherever_it_is_cut() {
        let (poll, tape) = (Poll::new().unwrap(), tape());
        let stream = [PING, MESSAGE, PING, PING, MESSAGE, PING].concat();
        for cut in 0..=stream.len() {
            let (mut member, mut server) = member(&poll);
            member.hear(&stream[..cut], &tape).unwrap();
            member.hear(&stream[cut..], &tape).unwrap();
            assert_eq!((member.place(), member.pinged), (tape.end(), 0), "cut at {cut}");
            let mut pongs = [0; 4 * PONG.len()];
            server.read_exact(&mut pongs).unwrap();
            assert_eq!(pongs, *PONG.repeat(4));
        }
    }

    #[test]
    fn anything_else_is_noticed() {
        let (poll, tape) = (Poll::new().unwrap(), tape());
        let doubled = MESSAGE.repeat(3);
        let mut altered = MESSAGE.to_vec();
        altered[14] ^= 1;
        for stream in [&doubled[..], &altered, &MESSAGE[1..], b"-ERR 'no'\r\n", b"PINK\r\n", b"MPING\r\n"] {
            let (mut member, _server) = member(&poll);
            let error = member.hear(stream, &tape).unwrap_err().to_string();
            assert!(error.starts_with("heard something else"), "{stream:?}: {error}");
        }
    }

    #[test]
    fn whole_messages_are_told() {
        let (poll, tape) = (Poll::new().unwrap(), tape());
        let (mut member, mut server) = member(&poll);
        let mut buffer = vec![0; 64];
        let mut hear = |bytes: &[u8], whole: u64| {
            server.write_all(bytes).unwrap();
            let mut heard = 0..0;
            while heard.end < whole || member.place() == 0 {
                heard = member.ready(false, &tape, &mut buffer).unwrap();
            }
            heard
        };
        assert_eq!(hear(&MESSAGE[..5], 0), 0..0);
        assert_eq!(hear(&[&MESSAGE[5..], MESSAGE].concat(), 2).end, 2);
        drop(server);
        let error = loop {
            if let Err(error) = member.ready(true, &tape, &mut buffer) {
                break error.to_string();
            }
        };
        assert_eq!(error, "the server closed the connection");
    }

    #[test]
    fn what_was_sealed_is_compared_like_anything() {
        let (poll, mut tape) = (Poll::new().unwrap(), Tape::new(4));
        tape.append(b"\0\x02hi", 1);
        tape.append(b"\0\x02ho", 2);
        let (channel, mut there) = pair();
        let (mut member, mut server) = member_behind(channel, &poll);
        let mut hear = |frames: &[u8], place: u64| {
            let mut sealed = BytesMut::new();
            there.seal.seal(frames, &mut sealed).unwrap();
            server.write_all(&sealed).unwrap();
            while member.place() < place {
                member.ready(false, &tape, &mut [0; 64])?;
            }
            anyhow::Ok(member.place())
        };
        assert_eq!(hear(b"\0\x02hi", 4).unwrap(), 4);
        let error = hear(b"\0\x02hi", 8).unwrap_err().to_string();
        assert!(error.starts_with("heard something else"), "{error}");
    }
}
