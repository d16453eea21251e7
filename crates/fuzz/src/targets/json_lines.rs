//! Lines of JSON, cut anyhow: the same messages as in one piece, and whatever is read could be said natively.
//!
//! A line that is no message is answered, and the answer fits its message.
//! Read next: `usher_proto::lines`.

use crate::assembly::{Arrival, hear};
use std::iter;
use usher_hpserver::Decoded;
use usher_proto::codec::{self, Form};
use usher_proto::limits::WHY_BYTES_MAX;
use usher_proto::{Message, lines};
use usher_runtime::codec::JsonLines;

const LINE_BYTES_MAX: usize = 2048;

pub(super) fn run(bytes: &[u8]) {
    let Some(arrival) = Arrival::read(bytes) else { return };
    let codec = JsonLines { side: arrival.side, line_bytes_max: LINE_BYTES_MAX };
    let whole = hear(&codec, iter::once(arrival.stream));
    assert_eq!(hear(&codec, arrival.chunks()), whole);
    for frame in whole.frames {
        if let Decoded::Packet(message) = frame {
            check(&codec, &message);
        }
    }
}

fn check(codec: &JsonLines, message: &Message) {
    if let Message::NotUnderstood(answer) = message {
        assert!(answer.why.len() <= WHY_BYTES_MAX, "{answer:?}");
    }
    codec::encode(Form::MessagePack, message, |_, _| {}).expect("what was read can be said natively");
    let line = codec.line(message);
    let ends: Vec<usize> = (0..line.len()).filter(|at| line[*at] == b'\n').collect();
    assert_eq!(ends, [line.len() - 1], "{message:?} is not one line");
    assert_eq!(lines::read(|_| true, &line).as_ref(), Ok(message));
}
