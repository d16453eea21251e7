//! A stream in chunks, cut into frames as layer 2 does it: through nothing but the codec.
//!
//! Why: bytes arrive anyhow. What they mean must not depend on how.
//! Invariants: checked here on every chunk: a frame lies within its bytes, and what is kept of an unfinished message
//! is no more than came.
//! Read next: `targets/frames.rs`; `usher-hpserver`'s `parse.rs`, which this stands for.

use usher_hpserver::{BadFrame, Codec, Decoded, Partial};
use usher_proto::Message;
use usher_runtime::codec::Side;

const SIDES: [Side; 10] = [
    Side::Server,
    Side::Client,
    Side::Manager,
    Side::Node,
    Side::ToTerminals,
    Side::ToControllers,
    Side::ToAdministrators,
    Side::PushClient,
    Side::ToWorkers,
    Side::Worker,
];

/// A target's bytes, read as a stream for one end of a connection, and how it is cut.
///
/// The first byte is the end, the second how many lengths of chunks follow, used in turn; the rest is the stream.
pub struct Arrival<'a> {
    /// Who hears it.
    pub side: Side,
    /// What arrives.
    pub stream: &'a [u8],
    lengths: &'a [u8],
}

impl<'a> Arrival<'a> {
    /// Nothing, if there are too few bytes.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([side, count], rest) = bytes.split_first_chunk()?;
        let (lengths, stream) = rest.split_at_checked(usize::from(*count))?;
        Some(Self { side: SIDES[usize::from(*side) % SIDES.len()], stream, lengths })
    }

    /// The stream in chunks; without a length, bytes come one by one.
    pub fn chunks(&self) -> impl Iterator<Item = &'a [u8]> {
        let (mut rest, mut at) = (self.stream, 0);
        std::iter::from_fn(move || {
            let length = self.lengths.get(at % self.lengths.len().max(1)).map_or(1, |length| *length);
            at += 1;
            let (chunk, behind) = rest.split_at(usize::from(length.max(1)).min(rest.len()));
            rest = behind;
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// What was heard, in order, and whether it ended badly.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    /// What the frames were.
    pub frames: Vec<Decoded<Message>>,
    /// Nothing after this was read.
    pub bad: Option<BadFrame>,
}

/// Hears a stream to its end or to the first bad frame.
pub fn hear<'a>(codec: &impl Codec<Message>, chunks: impl Iterator<Item = &'a [u8]>) -> Heard {
    let (mut heard, mut tail, mut partial) = (Heard::default(), Vec::new(), Partial::default());
    let mut received = 0;
    for chunk in chunks {
        received += chunk.len();
        tail.extend_from_slice(chunk);
        let taken = take(codec, &tail, &mut partial, &mut heard);
        assert!(partial.bytes.len() <= received, "more is kept than came");
        assert!(partial.bytes.capacity() <= 64 + 2 * received, "room was made ahead of what came");
        if heard.bad.is_some() {
            return heard;
        }
        tail.drain(..taken);
    }
    heard
}

/// Hears the whole frames at the head of `bytes`; how many bytes they were.
fn take(codec: &impl Codec<Message>, bytes: &[u8], partial: &mut Partial, heard: &mut Heard) -> usize {
    let mut taken = 0;
    loop {
        let rest = &bytes[taken..];
        let decoded = match codec.frame(rest) {
            Ok(None) => return taken,
            Ok(Some(frame)) => {
                assert!(frame.end > 0 && frame.body.end <= frame.end && frame.end <= rest.len());
                taken += frame.end;
                codec.decode(partial, &rest[frame.body])
            }
            Err(bad) => Err(bad),
        };
        match decoded {
            Ok(decoded) => heard.frames.push(decoded),
            Err(bad) => {
                heard.bad = Some(bad);
                return taken;
            }
        }
    }
}
