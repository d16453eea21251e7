//! What the messages say: a stretch of one endless stream, so that to send and to check is to compare slices.
//!
//! The byte at position p of a connection's stream is the pattern's at (start + p) modulo its period. The period is
//! prime and connections start at different places: bytes that are lost, doubled, swapped or another connection's
//! do not match.
//!
//! - Limit: a loss of exactly 251 messages of 64 bytes in a row goes unseen here; the count of messages sees it.
//!
//! Read next: `connection.rs`.

const PERIOD: usize = 251;

/// The stream, written out once, long enough that every stretch of it is one slice.
pub(super) struct Pattern {
    bytes: Box<[u8]>,
}

impl Pattern {
    /// For stretches of up to `stretch_max` bytes.
    pub(super) fn new(stretch_max: usize) -> Self {
        // Any permutation serves; 251 is prime, so multiplying is one.
        let byte = |index: usize| ((index % PERIOD * 97 + 13) % PERIOD) as u8;
        Self { bytes: (0..PERIOD + stretch_max).map(byte).collect() }
    }

    /// Where the stream of this connection begins.
    pub(super) fn start_of(connection: usize) -> usize {
        connection % PERIOD
    }

    pub(super) fn stretch(&self, at: usize, length: usize) -> &[u8] {
        &self.bytes[at..at + length]
    }

    pub(super) fn after(at: usize, length: usize) -> usize {
        (at + length) % PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_goes_on_after_each_stretch() {
        let pattern = Pattern::new(64);
        let mut at = Pattern::start_of(250);
        let mut stream = Vec::new();
        for length in [1, 64, 7, 64, 64, 64, 64, 30] {
            stream.extend_from_slice(pattern.stretch(at, length));
            at = Pattern::after(at, length);
        }
        assert!(stream.iter().zip(&stream[PERIOD..]).all(|(one, other)| one == other));
    }

    #[test]
    fn a_shift_shows() {
        let pattern = Pattern::new(64);
        let message = pattern.stretch(0, 64);
        assert!((1..PERIOD).all(|at| pattern.stretch(at, 64) != message));
    }
}
