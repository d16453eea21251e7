//! What the messages say: a stretch of one endless stream, so that to send and to check is to compare slices.
//!
//! The byte at position p of the stream is p modulo 251, shuffled. 251 is prime and connections begin at different
//! places: bytes that are lost, doubled, swapped or another connection's do not match. In a framed stream each
//! message begins with its length instead, so that stream repeats after 251 messages, and begins with a whole one.
//!
//! - Limits: a loss of exactly 251 messages of 64 bytes in a row goes unseen here; the count of messages sees it.
//!   Frames whose size is a multiple of 251 are all alike.
//!
//! Read next: `connection.rs`.

pub(super) const FRAME_HEADER_BYTES: usize = 2;
const PRIME: usize = 251;

/// The stream, written out once, long enough that every stretch of it is one slice.
pub(super) struct Pattern {
    bytes: Box<[u8]>,
    /// Connections begin so many bytes apart.
    step: usize,
}

impl Pattern {
    /// For stretches of up to `stretch_max` bytes.
    pub(super) fn plain(stretch_max: usize) -> Self {
        Self { bytes: shuffled(PRIME + stretch_max), step: 1 }
    }

    /// The same of frames of so many bytes, the two of their length included.
    pub(super) fn framed(frame_bytes: usize, stretch_max: usize) -> Self {
        let mut bytes = shuffled(PRIME * frame_bytes + stretch_max);
        let header = ((frame_bytes - FRAME_HEADER_BYTES) as u16).to_be_bytes();
        for frame in bytes.chunks_mut(frame_bytes) {
            frame.iter_mut().zip(header).for_each(|(byte, of_header)| *byte = of_header);
        }
        Self { bytes, step: frame_bytes }
    }

    /// Where the stream of this connection begins.
    pub(super) fn start_of(&self, connection: usize) -> usize {
        connection % PRIME * self.step
    }

    pub(super) fn stretch(&self, at: usize, length: usize) -> &[u8] {
        &self.bytes[at..at + length]
    }

    pub(super) fn after(&self, at: usize, length: usize) -> usize {
        (at + length) % (PRIME * self.step)
    }
}

/// Any permutation serves; the modulus is prime, so multiplying is one.
fn shuffled(length: usize) -> Box<[u8]> {
    (0..length).map(|at| ((at % PRIME * 97 + 13) % PRIME) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_goes_on_after_each_stretch() {
        for (pattern, period) in [(Pattern::plain(64), PRIME), (Pattern::framed(7, 64), PRIME * 7)] {
            let mut at = pattern.start_of(250);
            let mut stream = Vec::new();
            while stream.len() < 3 * period {
                for length in [1, 64, 7, 64, 30] {
                    stream.extend_from_slice(pattern.stretch(at, length));
                    at = pattern.after(at, length);
                }
            }
            assert!(stream.iter().zip(&stream[period..]).all(|(one, other)| one == other));
        }
    }

    #[test]
    fn frames_begin_with_their_length() {
        let pattern = Pattern::framed(300, 600);
        for connection in [0, 1, 250, 251] {
            let frames = pattern.stretch(pattern.start_of(connection), 600).chunks_exact(300);
            assert!(frames.into_iter().all(|frame| frame[..2] == [1, 42]), "298 is 1 x 256 + 42");
        }
    }

    #[test]
    fn a_shift_shows() {
        for (pattern, step) in [(Pattern::plain(64), 1), (Pattern::framed(64, 64), 64)] {
            let message = pattern.stretch(0, 64);
            assert!((1..PRIME).all(|by| pattern.stretch(by * step, 64) != message));
        }
    }
}
