//! What can be sent: bytes of the caller's, or a chunk sent on as it was received.
//!
//! It exists for the second kind: an echo or a relay needs neither a copy nor an allocation.
//!
//! Invariant: a chunk on its way out holds its receive buffer for as long as the socket takes it at once. As soon as a
//! socket refuses, what is left is copied (`detach`), so that a peer that does not read holds no receive buffer.
//! Read next: `context.rs`, where payloads queue.

use std::ops::Deref;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::pool::{Buffer, Chunk, Pool};

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
    fn default() -> Payload {
        Payload(Kind::Bytes(Bytes::new()))
    }
}

impl Payload {
    /// The receive buffer it came in, if that is one of `pool`.
    #[inline]
    pub(crate) fn reclaim(self, pool: &Arc<Pool>) -> Option<Buffer> {
        match self.0 {
            Kind::Chunk(chunk) => chunk.reclaim(pool),
            Kind::Bytes(_) => None,
        }
    }

    /// Takes its bytes out of the receive buffer they may lie in.
    pub(crate) fn detach(&mut self) {
        if let Kind::Chunk(chunk) = &self.0 {
            self.0 = Kind::Bytes(Bytes::copy_from_slice(chunk));
        }
    }

    /// Forgets the first bytes; what is left is detached.
    pub(crate) fn advance(&mut self, bytes: usize) {
        match &mut self.0 {
            Kind::Bytes(own) => own.advance(bytes),
            Kind::Chunk(chunk) => self.0 = Kind::Bytes(Bytes::copy_from_slice(&chunk[bytes..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_lose_their_first_bytes_alike() {
        for cut in 0..=3 {
            let kinds =
                [Payload::from(Bytes::from_static(b"abc")), Payload::from(Chunk::from(b"abc".to_vec()))];
            for mut payload in kinds {
                payload.advance(cut);
                assert_eq!(&payload[..], &b"abc"[cut..]);
                payload.detach();
                assert!(matches!(payload.0, Kind::Bytes(_)));
                assert_eq!(&payload[..], &b"abc"[cut..]);
            }
        }
    }
}
