//! The beginning of a child's connection: it says hello, and then the connection is there.
//!
//! Why: a start may take longer than heartbeats would allow; for layer 2 the hello is the answer to a dial, and heartbeats
//! begin behind it.
//! Invariants: what a child said first is here before the service hears of its connection.
//! Read next: [`crate::supervisor`], [`crate::service`].

use crate::slot::Slot;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use usher_hpserver::{Answer, BadFrame, Bytes, Offer};
use usher_proto::Message;
use usher_proto::codec::{self, Form, Unfinished};
use usher_proto::message::WorkerHello;
use usher_runtime::codec::Side;

/// What children said first, until the service takes it.
#[derive(Default)]
pub(crate) struct Hellos {
    said: Mutex<BTreeMap<Slot, WorkerHello>>,
}

impl Hellos {
    fn put(&self, slot: Slot, hello: WorkerHello) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, hello);
    }

    pub(crate) fn take(&self, slot: Slot) -> Option<WorkerHello> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot)
    }
}

/// This end of a child's connection, until it has said hello.
pub(crate) struct AwaitHello {
    pub(crate) slot: Slot,
    pub(crate) form: Form,
    pub(crate) hellos: Arc<Hellos>,
}

impl Offer for AwaitHello {
    fn hello(&mut self) -> Bytes {
        Bytes::new()
    }

    fn answered(self: Box<Self>, frame: &[u8]) -> Result<Answer, BadFrame> {
        match codec::decode(self.form, Side::ToWorkers.hears(), &mut Unfinished::default(), frame) {
            Ok(Some(Message::WorkerHello(hello))) => {
                self.hellos.put(self.slot, hello);
                Ok(Answer::Welcome(None))
            }
            _ => Err(BadFrame("no_hello")),
        }
    }
}
