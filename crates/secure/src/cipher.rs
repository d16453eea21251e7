//! One direction of an open channel: a key, a number, and nothing else.
//!
//! Why: a connection lives for hours and its handshake for a millisecond, so what stays is what sealing needs:
//! ChaCha20-Poly1305 (RFC 8439) as the Noise Protocol Framework uses it, revision 34, sections 5.1, 11.3 and 12.3.
//! ring does it: of what was tried it is seven times as fast at the size of a chat.
//! Owns: the key and the number of the next frame. Does not own: how a frame is found in a stream.
//! Invariants: no number is used twice under one key; what was altered, left out, repeated or reordered does not open,
//! and nothing of it is seen. Keys are wiped when they go, and never shown.
//! Limits: after every [`REKEY_FRAMES`] frames both ends go on with the next key; after [`FRAMES_MAX`] frames a
//! direction is spent.
//! Read next: [`crate::noise`], which makes the keys.

use core::fmt;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// A key, in bytes.
pub const KEY_BYTES: usize = 32;
/// What sealing adds to a frame, in bytes.
pub const TAG_BYTES: usize = 16;
/// Frames under one key.
pub const REKEY_FRAMES: u64 = 1 << 16;
/// Frames in one direction. (Noise keeps the last number for making the next key.)
pub const FRAMES_MAX: u64 = u64::MAX;

/// A frame did not open: altered, out of its place, or sealed by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame does not open")]
pub struct Forged;

/// A direction has carried [`FRAMES_MAX`] frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has sealed all it may")]
pub struct Spent;

/// The sealing end.
pub struct Sealing(Direction);

/// The opening end.
pub struct Opening(Direction);

struct Direction {
    key: Zeroizing<[u8; KEY_BYTES]>,
    next: u64,
}

impl Sealing {
    pub(crate) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(Direction { key: Zeroizing::new(key), next: 0 })
    }

    /// Seals `frame` where it lies; the tag belongs behind it.
    pub fn seal(&mut self, frame: &mut [u8]) -> Result<[u8; TAG_BYTES], Spent> {
        let (cipher, nonce) = self.0.turn().ok_or(Spent)?;
        Ok(sealed(&cipher, nonce, frame))
    }
}

impl Opening {
    pub(crate) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(Direction { key: Zeroizing::new(key), next: 0 })
    }

    /// Appends to `clear` what a sealed frame, its tag at the end, says. After an error nothing more opens in good
    /// order: the connection is to be closed.
    pub fn open(&mut self, sealed: &[u8], clear: &mut Vec<u8>) -> Result<(), Forged> {
        let (cipher, nonce) = self.0.turn().ok_or(Forged)?;
        let start = clear.len();
        clear.extend_from_slice(sealed);
        let opened = cipher.open_in_place(nonce, Aad::empty(), &mut clear[start..]).map(|text| text.len());
        clear.truncate(start + opened.unwrap_or(0));
        opened.map(|_| ()).map_err(|_| Forged)
    }
}

impl Direction {
    /// The cipher and the number for the next frame.
    fn turn(&mut self) -> Option<(LessSafeKey, Nonce)> {
        if self.next == FRAMES_MAX {
            return None;
        }
        if self.next > 0 && self.next.is_multiple_of(REKEY_FRAMES) {
            self.rekey();
        }
        let nonce = nonce(self.next);
        self.next += 1;
        Some((self.cipher(), nonce))
    }

    /// Noise's default: the next key is what zeros are sealed to under the last number.
    fn rekey(&mut self) {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        sealed(&self.cipher(), nonce(u64::MAX), &mut *key);
        self.key = key;
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*self.key);
        LessSafeKey::new(key.expect("invariant: the cipher's keys have 32 bytes"))
    }
}

/// Seals where it lies; the tag.
fn sealed(cipher: &LessSafeKey, nonce: Nonce, text: &mut [u8]) -> [u8; TAG_BYTES] {
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::empty(), text);
    let tag = tag.expect("invariant: a frame is shorter than 256 GiB");
    tag.as_ref().try_into().expect("invariant: the cipher's tags have 16 bytes")
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl fmt::Debug for Sealing {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("next", &self.0.next).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("next", &self.0.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

    fn frame_of(sealing: &mut Sealing, text: &[u8]) -> Vec<u8> {
        let mut frame = text.to_vec();
        let tag = sealing.seal(&mut frame).unwrap();
        [&frame[..], &tag].concat()
    }

    fn pair(next: u64) -> (Sealing, Opening) {
        let direction = || Direction { key: Zeroizing::new(KEY), next };
        (Sealing(direction()), Opening(direction()))
    }

    #[test]
    fn what_is_sealed_opens_in_order_and_looks_different_each_time() {
        let (mut sealing, mut opening) = pair(0);
        let mut seen = Vec::new();
        for text in [&b"sit"[..], b"", b"sit", &[9; 9_000]] {
            let frame = frame_of(&mut sealing, text);
            assert_eq!(frame.len(), text.len() + TAG_BYTES);
            assert!(!seen.contains(&frame));
            let mut clear = Vec::new();
            opening.open(&frame, &mut clear).unwrap();
            assert_eq!(clear, text);
            seen.push(frame);
        }
    }

    #[test]
    fn what_was_altered_in_any_bit_or_cut_anywhere_does_not_open() {
        let frame = frame_of(&mut pair(0).0, b"place 7,7");
        let refuse = |frame: &[u8]| {
            let mut clear = b"kept".to_vec();
            assert_eq!(pair(0).1.open(frame, &mut clear), Err(Forged));
            assert_eq!(clear, b"kept");
        };
        for bit in 0..frame.len() * 8 {
            let mut altered = frame.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            refuse(&altered);
        }
        for cut in 0..frame.len() {
            refuse(&frame[..cut]);
        }
    }

    #[test]
    fn what_was_left_out_repeated_or_reordered_does_not_open() {
        let (mut sealing, _) = pair(0);
        let frames = [frame_of(&mut sealing, b"one"), frame_of(&mut sealing, b"two")];
        for order in [&[1][..], &[0, 0], &[0, 1, 0], &[1, 0]] {
            let mut opening = pair(0).1;
            let opened = order.iter().try_for_each(|index| opening.open(&frames[*index], &mut Vec::new()));
            assert_eq!(opened, Err(Forged), "{order:?}");
        }
    }

    #[test]
    fn both_ends_change_keys_at_the_same_frame() {
        let (mut sealing, mut opening) = pair(REKEY_FRAMES - 1);
        let before = sealing.0.key.clone();
        for _ in 0..3 {
            opening.open(&frame_of(&mut sealing, b"on"), &mut Vec::new()).unwrap();
        }
        assert_ne!(*sealing.0.key, *before);
        assert_eq!(*sealing.0.key, *opening.0.key);
    }

    #[test]
    fn a_spent_key_seals_and_opens_nothing() {
        let (mut sealing, mut opening) = pair(FRAMES_MAX - 1);
        let last = frame_of(&mut sealing, b"last");
        opening.open(&last, &mut Vec::new()).unwrap();
        assert_eq!(sealing.seal(&mut []), Err(Spent));
        assert_eq!(opening.open(&last, &mut Vec::new()), Err(Forged));
    }

    #[test]
    fn keys_are_never_shown() {
        let (sealing, opening) = pair(3);
        assert_eq!(format!("{sealing:?} {opening:?}"), "Sealing { next: 3, .. } Opening { next: 3, .. }");
    }

    #[test]
    fn a_direction_is_small() {
        assert!(size_of::<Sealing>() <= 40);
    }
}
