//! The clients' end of a push server, as plain as it can be: blocking, one message after the other.
//!
//! Why: tests and benches need the same few lines.
//! Owns: frames and pings of one native connection ([`Client`]); where a terminal stands ([`Positions`]).
//! Invariants: pings are answered and not shown.
//! Read next: `docs/push.md`, the wire.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use usher_proto::Message;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::message::{Gap, Instruction, Pong, Position, Since, Subscribed, To};
use usher_runtime::codec::{Native, Side};

/// One connection with the native codec.
pub struct Client {
    stream: BufReader<TcpStream>,
    unfinished: Unfinished,
}

impl Client {
    /// Connects. Whatever takes longer than `patience` later fails with [`io::ErrorKind::WouldBlock`].
    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream), unfinished: Unfinished::default() })
    }

    /// The socket, to be cut or tuned.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Says one message.
    pub fn say(&self, message: impl Into<Message>) -> io::Result<()> {
        self.write(&frames(&message.into()))
    }

    /// Writes bytes as they are.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket().write_all(bytes)
    }

    /// The next message; at the orderly end of the stream [`io::ErrorKind::UnexpectedEof`].
    pub fn hear(&mut self) -> io::Result<Message> {
        loop {
            match self.next()? {
                Some(Message::Ping(_)) => self.say(Pong {})?,
                Some(message) => return Ok(message),
                None => {}
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Message>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut body)?;
        codec::decode(Form::MessagePack, Side::PushClient.hears(), &mut self.unfinished, &body)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }
}

/// A message in the native codec.
pub fn frames(message: &Message) -> Vec<u8> {
    Native::new(Side::PushClient).frames(message).into()
}

/// What a terminal has of each log: all that it must keep to miss nothing and take nothing twice.
#[derive(Clone, Debug, Default)]
pub struct Positions(BTreeMap<To, Position>);

/// A message that does not follow from what came before it.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfOrder {
    /// Whose log.
    pub to: To,
    /// What was there.
    pub had: Option<Position>,
    /// What came.
    pub seq: u64,
}

impl Positions {
    /// Where to go on in a log; `first` where it was never heard before.
    pub fn since(&self, to: &To, first: Since) -> Since {
        self.0.get(to).map_or(first, |position| Since::After(*position))
    }

    /// Takes note of a message; whether it is the next one of its log.
    pub fn note(&mut self, message: &Message) -> Result<(), OutOfOrder> {
        match message {
            Message::Subscribed(Subscribed { to, log, seq, .. }) => {
                let had = self.0.insert(to.clone(), Position { log: *log, seq: *seq });
                let fits = had.is_none_or(|had| had.log != *log || had.seq == *seq);
                fits.then_some(()).ok_or_else(|| OutOfOrder { to: to.clone(), had, seq: *seq })
            }
            Message::Instruction(Instruction { to, seq, .. }) => self.advance(to, *seq, *seq),
            Message::Gap(Gap { to, from, until }) => self.advance(to, *from, *until),
            _ => Ok(()),
        }
    }

    fn advance(&mut self, to: &To, from: u64, until: u64) -> Result<(), OutOfOrder> {
        match self.0.get_mut(to) {
            Some(position) if position.seq + 1 == from => {
                position.seq = until;
                Ok(())
            }
            had => Err(OutOfOrder { to: to.clone(), had: had.copied(), seq: from }),
        }
    }
}
