//! How a connection begins: the client's first frame, and the server's answer to it.
//!
//! Why: everything a server needs to turn somebody away - version, role, ticket, reservation - comes first and
//! in clear, so that shedding costs no Diffie-Hellman.
//! Layout, all integers big-endian: `u8` version, `u8` role, `u16` ticket length, ticket, `u16` reservation
//! length, reservation, then Noise message 1 (empty on a plain channel). The answer frame is `u8` 0xff and
//! Noise message 2 (welcome), or a packet in clear, after which the server closes: no opcode begins with 0xff.
//! Limits: [`TICKET_BYTES_MAX`], [`RESERVATION_BYTES_MAX`]; what is longer is malformed.
//! Read next: `docs/wire.md`, `usher-secure`.

use crate::limits::{RESERVATION_BYTES_MAX, TICKET_BYTES_MAX};
use alloc::vec::Vec;

/// The protocol version this build speaks.
pub const PROTOCOL_VERSION: u8 = 1;
/// The answer's first byte when the client may go on; any other begins a packet in clear, the server's last.
pub const ANSWER_WELCOME: u8 = 0xff;

/// Which server a first frame is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// A login server.
    Login = 1,
    /// A hall server.
    Hall = 2,
    /// A room server.
    Room = 3,
    /// The manager's link listener; the ticket field holds the calling server's name.
    Link = 4,
    /// A server's inner listener; the ticket field holds the calling gateway's name.
    Trunk = 5,
    /// A host of workers on another machine; the ticket field holds the calling server's name.
    Workers = 6,
}

impl Role {
    /// The role of that number.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Login, Self::Hall, Self::Room, Self::Link, Self::Trunk, Self::Workers]
            .into_iter()
            .find(|role| *role as u8 == number)
    }
}

/// A first frame, its parts still where they arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstFrame<'a> {
    /// Which server it is meant for.
    pub role: Role,
    /// The sealed ticket, or nothing.
    pub ticket: &'a [u8],
    /// The sealed reservation, or nothing.
    pub reservation: &'a [u8],
    /// Noise message 1; nothing on a plain channel.
    pub noise: &'a [u8],
}

/// Why a first frame cannot be read: the peer's fault, each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A protocol version this build does not speak.
    Version(u8),
    /// Shorter than its own lengths say, or a length over its limit.
    Length,
    /// No such role.
    Role(u8),
}

impl<'a> FirstFrame<'a> {
    /// Reads a frame's body.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&version, rest) = body.split_first().ok_or(Malformed::Length)?;
        if version != PROTOCOL_VERSION {
            return Err(Malformed::Version(version));
        }
        let (&role, rest) = rest.split_first().ok_or(Malformed::Length)?;
        let role = Role::from_u8(role).ok_or(Malformed::Role(role))?;
        let (ticket, rest) = part(rest, TICKET_BYTES_MAX)?;
        let (reservation, noise) = part(rest, RESERVATION_BYTES_MAX)?;
        Ok(Self { role, ticket, reservation, noise })
    }

    /// The frame's body in bytes. The parts are within their limits: they came from a server of ours.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(6 + self.ticket.len() + self.reservation.len() + self.noise.len());
        body.extend_from_slice(&[PROTOCOL_VERSION, self.role as u8]);
        for bytes in [self.ticket, self.reservation] {
            body.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
            body.extend_from_slice(bytes);
        }
        body.extend_from_slice(self.noise);
        body
    }
}

fn part(bytes: &[u8], bytes_max: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed::Length)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length > bytes_max || length > rest.len() {
        return Err(Malformed::Length);
    }
    Ok(rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: FirstFrame<'static> =
        FirstFrame { role: Role::Hall, ticket: b"ticket", reservation: b"place", noise: b"noise" };

    #[test]
    fn what_is_written_is_read() {
        let empty = FirstFrame { role: Role::Login, ticket: b"", reservation: b"", noise: b"" };
        for frame in [WHOLE, empty] {
            assert_eq!(FirstFrame::parse(&frame.to_bytes()), Ok(frame));
        }
    }

    #[test]
    fn a_frame_cut_before_its_noise_is_malformed() {
        let bytes = WHOLE.to_bytes();
        for cut in 0..bytes.len() - WHOLE.noise.len() {
            assert_eq!(FirstFrame::parse(&bytes[..cut]), Err(Malformed::Length), "cut at {cut}");
        }
    }

    #[test]
    fn versions_roles_and_lengths_are_checked() {
        let mut bytes = WHOLE.to_bytes();
        bytes[0] = 9;
        assert_eq!(FirstFrame::parse(&bytes), Err(Malformed::Version(9)));
        bytes[0] = PROTOCOL_VERSION;
        bytes[1] = 77;
        assert_eq!(FirstFrame::parse(&bytes), Err(Malformed::Role(77)));
        let long = [0u8; TICKET_BYTES_MAX + 1];
        let frame = FirstFrame { ticket: &long, ..WHOLE };
        assert_eq!(FirstFrame::parse(&frame.to_bytes()), Err(Malformed::Length));
    }
}
