//! What can be sent: bytes of the caller's, or a chunk sent on as it was received.
//!
//! It exists for the second kind: an echo or a relay needs neither a copy nor an allocation.
//!
//! Invariant: a chunk on its way out holds its receive buffer for as long as the socket takes it at once. As soon as a
//! socket refuses, what is left is copied (`detach`), so that a peer that does not read holds no receive buffer.
//! Read next: `send_queue.rs`.

use std::ops::Deref;

use bytes::Bytes;

use crate::pool::{Buffer, Chunk, Stock};

/// Bytes to send. Made from [`Bytes`] or from a received [`Chunk`], which goes on without a copy.
#[derive(Debug)]
pub struct Payload(Kind);

#[derive(Debug)]
enum Kind {
    Bytes(Bytes),
    Chunk(Chunk),
}

impl From<Bytes> for Payload {
    #[inline]
    fn from(bytes: Bytes) -> Payload {
        Payload(Kind::Bytes(bytes))
    }
}

impl From<Chunk> for Payload {
    #[inline]
    fn from(chunk: Chunk) -> Payload {
        Payload(Kind::Chunk(chunk))
    }
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Bytes(bytes) => bytes,
            Kind::Chunk(chunk) => chunk,
        }
    }
}

/// Nothing.
impl Default for Payload {
    #[inline]
    fn default() -> Payload {
        Payload(Kind::Chunk(Chunk::end()))
    }
}

impl Payload {
    /// In bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.len(),
            Kind::Chunk(chunk) => chunk.len(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It was sent: the receive buffer it came in, if that is one of this worker's.
    #[inline]
    pub(crate) fn spend(&mut self, stock: &mut Stock) -> Option<Buffer> {
        match &mut self.0 {
            Kind::Chunk(chunk) => stock.reclaim(chunk),
            Kind::Bytes(_) => None,
        }
    }

    /// Takes its bytes out of the receive buffer they may lie in.
    pub(crate) fn detach(&mut self) {
        self.own();
    }

    fn own(&mut self) -> &mut Bytes {
        if let Kind::Chunk(chunk) = &self.0 {
            self.0 = Kind::Bytes(Bytes::copy_from_slice(chunk));
        }
        match &mut self.0 {
            Kind::Bytes(bytes) => bytes,
            Kind::Chunk(_) => unreachable!("invariant: a chunk was just copied"),
        }
    }

    /// Takes the first bytes off, as bytes of their own.
    pub(crate) fn split_to(&mut self, bytes: usize) -> Payload {
        let own = self.own();
        own.split_to(bytes.min(own.len())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_no_larger_than_bytes() {
        assert_eq!(size_of::<Payload>(), size_of::<Bytes>());
    }

    #[test]
    fn both_kinds_lose_their_first_bytes_alike() {
        for cut in 0..=3 {
            let kinds =
                [Payload::from(Bytes::from_static(b"abc")), Payload::from(Chunk::from(b"abc".to_vec()))];
            for mut payload in kinds {
                assert_eq!(&payload.split_to(cut)[..], &b"abc"[..cut]);
                payload.detach();
                assert!(matches!(payload.0, Kind::Bytes(_)));
                assert_eq!(&payload[..], &b"abc"[cut..]);
            }
        }
    }
}
