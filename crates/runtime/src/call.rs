//! The dialling side of a connection: its first frame, and what the answer means.
//!
//! Why: a link to the manager and a simulated player begin alike; what differs is what they know of the other end.
//! Owns: the handshake from this side, and which login key of several is believed now.
//! Invariants: with something known, nothing but a welcome that proves it opens the connection: it is never continued
//! in clear. A login key that a server does not have makes place for the next one of the list; a server that is full
//! says nothing of its key.
//! Read next: [`crate::door`], the other side; `usher_secure::noise`.

use crate::sealed::{framed, keys};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use usher_hpserver::{Answer, BadFrame, Offer};
use usher_proto::Message;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::first_frame::{ANSWER_WELCOME, FirstFrame};
use usher_proto::message::{CloseReason, Closing};
use usher_secure::noise::{Initiator, Known};
use usher_secure::{LinkKey, LoginPublicKey};

/// The login keys that a client believes in: one is the cluster's, the others were or will be.
#[derive(Debug)]
pub struct LoginKeys {
    keys: Vec<LoginPublicKey>,
    /// Which was proven last.
    now: AtomicUsize,
}

impl LoginKeys {
    /// Without any, a login is spoken to in clear.
    pub fn new(keys: Vec<LoginPublicKey>) -> Self {
        Self { keys, now: AtomicUsize::new(0) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one to try, and its place.
    fn now(&self) -> Option<(usize, &LoginPublicKey)> {
        let index = self.now.load(Relaxed);
        Some((index, self.keys.get(index)?))
    }

    fn was_not_proven(&self, index: usize) {
        let next = (index + 1) % self.keys.len().max(1);
        let _ = self.now.compare_exchange(index, next, Relaxed, Relaxed); // somebody else went on already
    }
}

/// What is known of the other end.
pub enum Knowing {
    /// Nothing: all is said in clear.
    Nothing,
    /// Its login key, one of these.
    LoginKeys(Arc<LoginKeys>),
    /// The session's key.
    Session([u8; 32]),
    /// The link's key.
    Link(LinkKey),
}

/// One connection that is being made.
pub struct Call {
    /// The first frame up to the handshake's message.
    head: Vec<u8>,
    knowing: Knowing,
    begun: Option<Initiator>,
    /// Which login key it was begun with.
    login_key: usize,
}

impl Call {
    /// `frame` without its handshake message, which is made when the connection is there.
    pub fn new(frame: &FirstFrame<'_>, knowing: Knowing) -> Self {
        Self { head: frame.to_bytes(), knowing, begun: None, login_key: 0 }
    }

    /// What is known, or nothing if a list is empty.
    fn known(&mut self) -> Option<Known<'_>> {
        match &self.knowing {
            Knowing::Nothing => None,
            Knowing::LoginKeys(keys) => {
                let (index, key) = keys.now()?;
                self.login_key = index;
                Some(Known::Login(key))
            }
            Knowing::Session(key) => Some(Known::Shared(key)),
            Knowing::Link(key) => Some(Known::Shared(key.as_bytes())),
        }
    }

    fn was_not_proven(&self) {
        if let (Knowing::LoginKeys(keys), Some(_)) = (&self.knowing, &self.begun) {
            keys.was_not_proven(self.login_key);
        }
    }
}

impl Offer for Call {
    fn hello(&mut self) -> Bytes {
        let head = std::mem::take(&mut self.head);
        let Some(known) = self.known() else { return framed(&head).freeze() };
        let (begun, message) = Initiator::begin(known, &head);
        self.begun = Some(begun);
        framed(&[&head[..], &message].concat()).freeze()
    }

    fn answered(mut self: Box<Self>, frame: &[u8]) -> Result<Answer, BadFrame> {
        let Some((&ANSWER_WELCOME, message)) = frame.split_first() else {
            if is_handshake_failed(frame) {
                self.was_not_proven();
            }
            return Ok(Answer::Refused);
        };
        match self.begun.take() {
            None if message.is_empty() => Ok(Answer::Welcome(None)),
            None => Err(BadFrame("answer")),
            Some(begun) => {
                let split = begun.finish(message).map_err(|_| BadFrame("handshake"))?;
                Ok(Answer::Welcome(Some(keys(split))))
            }
        }
    }
}

fn is_handshake_failed(frame: &[u8]) -> bool {
    let said = codec::decode(Form::MessagePack, |_| true, &mut Unfinished::default(), frame);
    said == Ok(Some(Message::Closing(Closing { reason: CloseReason::HandshakeFailed })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::first_frame::Role;
    use usher_proto::message::Busy;
    use usher_secure::LoginKey;

    fn packet(message: &Message) -> Vec<u8> {
        let mut packet = Vec::new();
        codec::encode(Form::MessagePack, message, |header, body| packet = [&header[..], body].concat())
            .unwrap();
        packet
    }

    #[test]
    fn a_login_key_makes_place_where_a_server_does_not_have_it_and_not_where_one_is_full() {
        let keys = [[1; 32], [2; 32]].map(|key| LoginKey::from_private(key).public());
        let keys = Arc::new(LoginKeys::new(keys.to_vec()));
        let frame = FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: b"" };
        let begun = || {
            let mut call = Box::new(Call::new(&frame, Knowing::LoginKeys(Arc::clone(&keys))));
            call.hello();
            call
        };
        let failed = packet(&Closing { reason: CloseReason::HandshakeFailed }.into());
        let busy = packet(&Busy { retry_after_ms: 1 }.into());
        let answered = |call: Box<Call>, frame: &[u8]| {
            assert!(matches!(call.answered(frame), Ok(Answer::Refused)));
            keys.now().unwrap().0
        };
        assert_eq!(answered(begun(), &busy), 0);
        let at_the_same_time = begun();
        assert_eq!(answered(begun(), &failed), 1);
        assert_eq!(answered(at_the_same_time, &failed), 1, "it knew no better");
        assert_eq!(answered(begun(), &busy), 1);
        assert_eq!(answered(begun(), &failed), 0, "and round");
    }
}
