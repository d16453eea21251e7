//! A client of the suite: plain blocking sockets with deadlines.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use usher_hpserver::{Bytes, BytesMut, Codec, Decoded, Partial};

use crate::rig::PATIENCE;

/// A frame as a client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Packet(Bytes),
    /// Not for the codec: kind and body.
    Frame(u8, Bytes),
    End,
    Reset,
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    codec: Arc<dyn Codec<Bytes>>,
    partial: Partial,
    inbox: Vec<u8>,
    read: usize,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, codec: Arc<dyn Codec<Bytes>>) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, codec, partial: Partial::default(), inbox: Vec::new(), read: 0 }
    }

    pub(crate) fn encode(&self, packet: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        self.codec.encode(&Bytes::copy_from_slice(packet), &mut out).unwrap();
        out.freeze()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        let bytes = self.encode(packet);
        self.write(&bytes);
    }

    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The body of the next frame, as it came.
    pub(crate) fn hear_raw(&mut self) -> Bytes {
        loop {
            if let Some(frame) = self.codec.frame(&self.inbox).unwrap() {
                let body = Bytes::copy_from_slice(&self.inbox[frame.body]);
                self.inbox.drain(..frame.end);
                return body;
            }
            let mut buffer = [0; 16 * 1024];
            let count = self.stream.read(&mut buffer).expect("a frame was to come");
            assert!(count > 0, "it ended");
            self.inbox.extend(&buffer[..count]);
        }
    }

    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            if let Some(frame) = self.codec.frame(&self.inbox[self.read..]).unwrap() {
                let body = &self.inbox[self.read..][frame.body];
                self.read += frame.end;
                match self.codec.decode(&mut self.partial, body) {
                    Ok(Decoded::Packet(packet)) => return Heard::Packet(packet),
                    Ok(Decoded::More) => continue,
                    _ => return Heard::Frame(body[0], Bytes::copy_from_slice(&body[1..])),
                }
            }
            self.inbox.drain(..self.read);
            self.read = 0;
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    assert_eq!(self.inbox, b"", "half a frame at the end");
                    return Heard::End;
                }
                Ok(count) => self.inbox.extend(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Heard::Reset,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next packet.
    pub(crate) fn recv(&mut self) -> Bytes {
        match self.hear() {
            Heard::Packet(packet) => packet,
            other => panic!("{other:?} instead of a packet"),
        }
    }

    /// The connection ends here, in good order, with nothing more said.
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.hear(), Heard::End);
    }

    /// A packet goes there and comes back.
    pub(crate) fn echo(&mut self, packet: &[u8]) {
        self.send(packet);
        assert_eq!(self.recv(), packet);
    }
}
