//! The players' channel at a gateway: it ends here, and the server is shown what concerns it.
//!
//! Why: a first frame is answered by the server, in clear and before any Diffie-Hellman, as without a gateway; the
//! handshake, once the server lets its sender in, is the gateway's.
//! Invariants: whose ticket does not open is shown out here and costs a server nothing. What the server is shown is the
//! first frame without the handshake's message.
//! Read next: `usher_runtime::door`.

use crate::codec::Packet;
use crate::service::Greeting;
use bytes::Bytes;
use std::net::SocketAddr;
use usher_hpserver::{Channel, Greeted, Refusal};
use usher_proto::first_frame::FirstFrame;
use usher_runtime::door::Door;

/// Players of one server.
pub struct PlayersDoor(pub Door);

impl Channel<Packet, Greeting> for PlayersDoor {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, first_frame: &[u8], peer: SocketAddr) -> Result<Greeted<Greeting>, Refusal> {
        let Greeted { handshake, .. } = self.0.greet(first_frame, peer)?;
        let shown = FirstFrame::parse(first_frame).map(|frame| FirstFrame { noise: b"", ..frame }.to_bytes());
        let greeting = shown.expect("invariant: the door has parsed it");
        Ok(Greeted { greeting, handshake })
    }

    fn welcome(&self) -> Bytes {
        self.0.welcome()
    }

    /// The server's words, or this gateway's.
    fn refusal(&self, packet: &Packet) -> Bytes {
        match packet {
            Packet::Frames(frames) => frames.clone(),
            Packet::Message(message) => self.0.refusal(message),
            Packet::Records(_) => Bytes::new(),
        }
    }
}
