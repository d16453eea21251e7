//! What the cluster's servers prove to each other through their clients, and how a password is proven.
//!
//! Why: login, hall, room and manager share no session table. What one has decided travels with the player,
//! sealed, and any other opens it without asking anybody.
//! And how two ends keep what they say to themselves: the encrypted channel.
//! Owns: the seal (PASETO v4.local), the channel (Noise), [`scram`], the key files, how a session's numbers are made.
//! Does not own: clocks (every call takes unix milliseconds) and decisions (who may come in is logic's).
//! Invariants: a ticket never opens as a reservation, nor the reverse; no secret is ever printed.
//! Limits: sealed tickets and reservations fit the wire's limits, key files [`keys::KEYS_MAX`] keys.
//! Read next: [`ticket`], then [`reservation`], [`keys`]; [`noise`], then [`cipher`]; [`scram`] for accounts.
#![forbid(unsafe_code)]

pub mod cipher;
pub mod hex;
pub mod keys;
pub mod link_key;
pub mod login_key;
pub mod noise;
pub mod private_file;
pub mod reservation;
pub mod scram;
mod seal;
pub mod session;
pub mod ticket;

pub use keys::{KeyFileError, TicketKeys};
pub use link_key::{LinkKey, LinkSecret};
pub use login_key::{LoginKey, LoginPublicKey};
pub use private_file::PrivateFileError;
pub use reservation::{ReservationError, SealedFor};
pub use seal::SealError;
pub use session::{Session, fresh_session, os_rng};
pub use ticket::{Ticket, TicketError, TicketPolicy};
/// What an account store needs of the vocabulary.
pub use usher_proto::{AccountId, limits};
