//! A socket of the ring: its descriptor, and which operations of its own are under way.
//!
//! Operations name their connection and their kind in one number, so that a completion finds both without a
//! search, and one that comes late finds nobody.
//! Invariant: at most one receive is under way; a second is posted only when the first has said its last word.
//! Read next: `receive.rs`.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::id::ConnId;
use crate::sys::Receive;

const KIND_SHIFT: u32 = 56;

/// What an operation is; the highest byte of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nobody waits for its completion.
    Forgotten,
    Bell,
    Receive,
    /// The rest of the name is its place in the list of posted sends.
    Send,
    /// The socket takes bytes again.
    Writable,
    /// The socket failed while nobody reads.
    Watch,
    Connect,
    /// Failed: so did the socket.
    Verdict,
}

impl Kind {
    #[inline]
    pub(super) fn of(user_data: u64) -> Kind {
        match user_data >> KIND_SHIFT {
            1 => Kind::Bell,
            2 => Kind::Receive,
            3 => Kind::Send,
            4 => Kind::Writable,
            5 => Kind::Watch,
            6 => Kind::Connect,
            7 => Kind::Verdict,
            _ => Kind::Forgotten,
        }
    }

    /// Whether this is the name of an operation of this kind.
    #[inline]
    pub(super) fn names(self, user_data: u64) -> bool {
        user_data >> KIND_SHIFT == self as u64
    }

    /// The name of an operation that belongs to no connection.
    #[inline]
    pub(super) fn numbered(self, number: u64) -> u64 {
        (self as u64) << KIND_SHIFT | number
    }

    /// The name of an operation of a connection.
    #[inline]
    pub(super) fn by(self, conn: ConnId) -> u64 {
        self.numbered(number(conn.to_bits()))
    }
}

/// The name without the kind.
#[inline]
pub(super) fn number(user_data: u64) -> u64 {
    user_data & ((1 << KIND_SHIFT) - 1)
}

/// The connection an operation belongs to.
#[inline]
pub(super) fn conn(user_data: u64, worker: usize) -> ConnId {
    ConnId::from_bits((worker as u64) << KIND_SHIFT | number(user_data))
}

/// Where the socket is.
pub(super) enum Descriptor {
    /// In the process's table, as any other.
    Ordinary(OwnedFd),
    /// In the ring's own table, where no limit of the process counts it.
    Direct(u32),
}

/// Passes a descriptor to an operation, of whichever kind it is.
macro_rules! with_fd {
    ($descriptor:expr, |$fd:ident| $built:expr) => {
        match $descriptor.as_target() {
            $crate::sys::uring::source::Target::Ordinary($fd) => $built,
            $crate::sys::uring::source::Target::Direct($fd) => $built,
        }
    };
}
pub(super) use with_fd;

/// A descriptor in the crate's own two types.
pub(super) enum Target {
    Ordinary(io_uring::types::Fd),
    Direct(io_uring::types::Fixed),
}

impl Descriptor {
    #[inline]
    pub(super) fn as_target(&self) -> Target {
        match self {
            Descriptor::Ordinary(fd) => Target::Ordinary(io_uring::types::Fd(fd.as_raw_fd())),
            Descriptor::Direct(slot) => Target::Direct(io_uring::types::Fixed(*slot)),
        }
    }
}

/// How receiving stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// Nothing is posted.
    Idle,
    /// A standing receive into posted buffers.
    Standing,
    /// A receive that throws away what it gets.
    Discarding,
    /// A receive is being cancelled and has not said its last word.
    Cancelling,
    /// No buffer was free.
    Starving,
    /// The end or an error was read: there is nothing to come.
    Over,
}

pub(super) struct Source {
    pub(super) descriptor: Descriptor,
    pub(super) order: Receive,
    pub(super) receiving: Receiving,
    /// A `Watch` is under way.
    pub(super) watched: bool,
    /// A `Writable` is under way.
    pub(super) refused: bool,
    /// A `Connect` is under way.
    pub(super) connecting: bool,
}

impl Source {
    pub(super) fn new(descriptor: Descriptor, connecting: bool) -> Source {
        Source {
            descriptor,
            order: Receive::Off,
            receiving: Receiving::Idle,
            watched: false,
            refused: false,
            connecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sources::Sources;

    #[test]
    fn a_name_says_who_and_what() {
        let conn_of = ConnId::new(3, (1 << 24) - 2, u32::MAX);
        for kind in [Kind::Receive, Kind::Writable, Kind::Watch, Kind::Connect, Kind::Verdict] {
            let name = kind.by(conn_of);
            assert_eq!((Kind::of(name), conn(name, 3)), (kind, conn_of));
            assert!(kind.names(name) && !Kind::Bell.names(name));
        }
        for kind in [Kind::Forgotten, Kind::Bell, Kind::Send] {
            assert_eq!((Kind::of(kind.numbered(77)), number(kind.numbered(77))), (kind, 77));
        }
    }

    #[test]
    fn an_idle_source_is_small() {
        assert!(Sources::<Source>::entry_bytes() <= 24, "{}", Sources::<Source>::entry_bytes());
    }
}
