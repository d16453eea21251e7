//! The first frame of a connection, on either side.
//!
//! It exists apart from `receive` because it is where a channel will keep its handshake: today one frame and
//! one answer, later as many as the channel asks for.
//!
//! Accepting: 1. the first frame goes to `Channel::greet`; 2. what it says goes to the service as `Knock`, and
//! nothing more is read; 3. `admit` sends the welcome and lets packets through, `refuse` sends the refusal
//! and closes. Dialling: 1. the hello is sent; 2. the first answer is a welcome or a refusal.
//!
//! Invariants: until a connection is open no packet of it reaches a service.
//! Limit: `first_message_deadline`: accepting, for the first frame and the first message together; dialling, for
//! the answer. `first_frame_bytes_max`: the first frame, or the answer.
//! Read next: `channel`.

use bytes::Bytes;

use crate::{
    Answer, CloseReason, DialError, Service,
    fabric::Fabric,
    logic::LogicItem,
    receive::Desk,
    stream::{Phase, Stream},
};

/// The first frame of a connection. It is always used up.
pub(crate) fn first_frame<S: Service>(
    desk: &mut Desk<S>,
    stream: &mut Stream,
    body: &[u8],
    fabric: &Fabric<S>,
) -> bool {
    match stream.phase {
        Phase::Answering => answer(desk, stream, body, fabric),
        _ => greet(desk, stream, body, fabric),
    }
    true
}

fn greet<S: Service>(desk: &mut Desk<S>, stream: &mut Stream, body: &[u8], fabric: &Fabric<S>) {
    let Some(peer) = stream.peer() else { return };
    match fabric.listeners[stream.listener.index()].channel.greet(body, peer) {
        Ok(greeting) => {
            stream.phase = Phase::Knocked;
            let (conn, listener) = (stream.id, stream.listener);
            desk.tell_shard(stream, LogicItem::Knock { conn, listener, peer, greeting });
        }
        Err(refusal) => {
            stream.ending = Some(CloseReason::GreetingRefused(refusal.reason));
            stream.phase = Phase::Over;
            desk.finish(stream, refusal.last_words, fabric);
        }
    }
}

fn answer<S: Service>(desk: &mut Desk<S>, stream: &mut Stream, body: &[u8], fabric: &Fabric<S>) {
    stream.spoken = true;
    match fabric.listeners[stream.listener.index()].channel.answered(body) {
        Ok(Answer::Welcome) => desk.open(stream, fabric),
        Ok(Answer::Refused(packet)) => {
            dial_failed(desk, stream, DialError::Refused(packet));
            stream.ending = Some(CloseReason::DialRefused);
            stream.phase = Phase::Over;
            desk.finish(stream, Bytes::new(), fabric);
        }
        Err(bad) => desk.end(stream, CloseReason::BadFrame(bad.0), fabric),
    }
}

/// Tells the shard that dialled.
pub(crate) fn dial_failed<S: Service>(desk: &mut Desk<S>, stream: &Stream, why: DialError<S::Packet>) {
    if let Some(token) = stream.token() {
        desk.tell_shard(stream, LogicItem::DialFailed { token, why });
    }
}
