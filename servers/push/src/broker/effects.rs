//! What one step of the broker causes, in order.
//!
//! Why: the broker is tested by calls; whoever runs it carries this out.
//! Read next: [`crate::service`], which does.

use usher_proto::message::CloseReason;
use usher_proto::{ConnId, GroupId, Message};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a message; it is never dropped.
    Send(ConnId, Message),
    /// Send a message that takes the place of one that waits under the same number.
    SendLatest(ConnId, u64, Message),
    /// Send a message to a group; it is never dropped.
    Publish(GroupId, Message),
    /// Send a message to a group that takes the place of one that waits under the same number.
    PublishLatest(GroupId, u64, Message),
    /// Put a connection into a group.
    Join(ConnId, GroupId),
    /// Take a connection out of a group, if it is in.
    Leave(ConnId, GroupId),
    /// Say the reason, and close.
    Close(ConnId, CloseReason),
}

/// The effects of a step.
#[derive(Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// Takes them, in order; the space stays for the next step.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.0.drain(..)
    }

    pub(super) fn send(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.0.push(Effect::Send(conn, message.into()));
    }

    pub(super) fn send_latest(&mut self, conn: ConnId, number: u64, message: impl Into<Message>) {
        self.0.push(Effect::SendLatest(conn, number, message.into()));
    }

    pub(super) fn publish(&mut self, group: GroupId, message: impl Into<Message>) {
        self.0.push(Effect::Publish(group, message.into()));
    }

    pub(super) fn publish_latest(&mut self, group: GroupId, number: u64, message: impl Into<Message>) {
        self.0.push(Effect::PublishLatest(group, number, message.into()));
    }

    pub(super) fn join(&mut self, conn: ConnId, group: GroupId) {
        self.0.push(Effect::Join(conn, group));
    }

    pub(super) fn leave(&mut self, conn: ConnId, group: GroupId) {
        self.0.push(Effect::Leave(conn, group));
    }

    pub(super) fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.0.push(Effect::Close(conn, reason));
    }
}
