//! The beginning of a connection, on either side.
//!
//! It exists apart from `receive` because it is walked once a connection, and is what a stranger can reach.
//!
//! Accepting: 1. the first frame goes to `Channel::greet`; 2. what it says goes to the service as `Knock`, and
//! nothing more is read; 3. `admit` does the key exchange, sends the welcome and lets frames through, `refuse` sends
//! the refusal in clear and closes; 4. where there are keys, the first frame that opens proves the other end, and
//! then the service hears `Opened`. Dialling: 1. the hello is sent; 2. the first answer is a welcome or a refusal.
//!
//! Invariants: until a connection is open no packet of it reaches a service. The send stage has the key ahead of any
//! packet.
//! Limits: `first_message_deadline`: accepting, for the first frame and the first message together; dialling, for
//! the answer. `first_frame_bytes_max`: each frame until it is open. `handshakes_per_turn_max` key exchanges in a run
//! of a receive lane; who is over it waits for the next, behind what came meanwhile. Links do not wait.
//! Read next: `channel`.

use bytes::Bytes;

use crate::{
    Answer, BadFrame, CloseReason, Decoded, DialError, Keys, Partial, Service,
    channel::Seal,
    desk::Desk,
    fabric::Fabric,
    lane::Class,
    logic::LogicItem,
    send::SendItem,
    stream::{Phase, Stream},
};

/// The first frame of a connection.
pub(crate) fn first_frame<S: Service>(
    desk: &mut Desk<S>,
    stream: &mut Stream,
    body: &[u8],
    fabric: &Fabric<S>,
) {
    match stream.phase {
        Phase::Answering => answer(desk, stream, body, fabric),
        _ => greet(desk, stream, body, fabric),
    }
}

fn greet<S: Service>(desk: &mut Desk<S>, stream: &mut Stream, body: &[u8], fabric: &Fabric<S>) {
    let Some(begin) = &mut stream.begin else { return };
    let peer = begin.peer;
    match fabric.listeners[stream.listener.index()].channel.greet(body, peer) {
        Ok(greeted) => {
            begin.handshake = greeted.handshake;
            stream.enter(Phase::Knocked, &fabric.listeners[stream.listener.index()].counters);
            let (conn, listener) = (stream.id, stream.listener);
            let greeting = greeted.greeting;
            desk.tell_shard(stream, LogicItem::Knock { conn, listener, peer, greeting });
        }
        Err(refusal) => {
            desk.show_out(stream, CloseReason::GreetingRefused(refusal.reason), refusal.last_words, fabric);
        }
    }
}

/// The service let it in: what is still to be done before its frames are read, now or in a later run.
pub(crate) fn admit<S: Service>(desk: &mut Desk<S>, stream: &mut Stream, fabric: &Fabric<S>) {
    let Some(begin) = stream.begin.as_mut().filter(|_| stream.phase == Phase::Knocked) else { return };
    if begin.handshake.is_none() {
        let config = &fabric.listeners[stream.listener.index()];
        open_outlet(desk, stream, config.channel.welcome(), None, fabric);
        // Whoever is behind a gateway has keys with that one: what it forwards first is the proof.
        let is_open = stream.rider.is_none();
        stream.enter(if is_open { Phase::Open } else { Phase::Proving }, &config.counters);
        stream.unopened = is_open;
        return desk.resume(stream, fabric);
    }
    if stream.class == Class::Rest && desk.handshakes_left == 0 {
        return desk.shaking.push_back(stream.id);
    }
    desk.handshakes_left -= usize::from(stream.class == Class::Rest);
    match begin.handshake.take().map(crate::Handshake::accept) {
        Some(Ok((welcome, Keys { seal, open }))) => {
            open_outlet(desk, stream, welcome, Some(seal), fabric);
            stream.open = Some(open);
            stream.enter(Phase::Proving, &fabric.listeners[stream.listener.index()].counters);
            desk.resume(stream, fabric);
        }
        Some(Err(reason)) => desk.end(stream, CloseReason::GreetingRefused(reason), fabric),
        None => {}
    }
}

fn answer<S: Service>(desk: &mut Desk<S>, stream: &mut Stream, body: &[u8], fabric: &Fabric<S>) {
    stream.spoken = true;
    let offer = stream.begin.as_mut().and_then(|begin| begin.offer.take());
    let answer = offer.map_or(Err(BadFrame("answer")), |offer| offer.answered(body));
    match answer.and_then(|answer| understood(answer, stream, body, fabric)) {
        Ok(Understood::Welcome(keys)) => {
            let (seal, open) = keys.map(|Keys { seal, open }| (seal, open)).unzip();
            open_outlet(desk, stream, Bytes::new(), seal, fabric);
            stream.open = open;
            desk.open(stream, fabric);
        }
        Ok(Understood::Refused(packet)) => {
            dial_failed(desk, stream, DialError::Refused(packet));
            desk.show_out(stream, CloseReason::DialRefused, Bytes::new(), fabric);
        }
        Err(bad) => desk.end(stream, CloseReason::BadFrame(bad.0), fabric),
    }
}

enum Understood<P> {
    Welcome(Option<Keys>),
    Refused(P),
}

fn understood<S: Service>(
    answer: Answer,
    stream: &Stream,
    body: &[u8],
    fabric: &Fabric<S>,
) -> Result<Understood<S::Packet>, BadFrame> {
    match answer {
        Answer::Welcome(keys) => Ok(Understood::Welcome(keys)),
        Answer::Refused => {
            let codec = &fabric.listeners[stream.listener.index()].codec;
            match codec.decode(&mut Partial::default(), body)? {
                Decoded::Packet(packet) => Ok(Understood::Refused(packet)),
                _ => Err(BadFrame("answer")),
            }
        }
    }
}

/// The last bytes in clear, if there is a key for all that follow.
fn open_outlet<S: Service>(
    desk: &mut Desk<S>,
    stream: &Stream,
    bytes: Bytes,
    seal: Option<Box<dyn Seal>>,
    fabric: &Fabric<S>,
) {
    desk.tell_sender(stream, SendItem::Open { conn: stream.id, bytes, seal }, fabric);
}

/// Tells the shard that dialled.
pub(crate) fn dial_failed<S: Service>(desk: &mut Desk<S>, stream: &Stream, why: DialError<S::Packet>) {
    if let Some(token) = stream.token() {
        desk.tell_shard(stream, LogicItem::DialFailed { token, why });
    }
}
