//! What the tests know of a cluster's keys, so that their own connections are encrypted too.
//!
//! Why: every test speaks as an honest client does, unless it is about one that does not.
//! Owns: keys that all clusters of the tests share, and the session key of each ticket that was seen.
//! Read next: `usher_secure::noise`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use usher_proto::first_frame::Role;
use usher_secure::noise::{Initiator, Known, Message};
use usher_secure::{LinkSecret, LoginKey};

static SESSIONS: Mutex<BTreeMap<Vec<u8>, [u8; 32]>> = Mutex::new(BTreeMap::new());

/// What proves the login servers.
pub(crate) fn login_key() -> LoginKey {
    LoginKey::from_private([0x11; 32])
}

/// What the managers hold.
pub(crate) fn link_secret() -> LinkSecret {
    LinkSecret::from_bytes([0x22; 32])
}

/// What servers with gateways before them hold.
pub(crate) fn inner_secret() -> LinkSecret {
    LinkSecret::from_bytes([0x33; 32])
}

/// Puts them where servers look for them.
pub(crate) fn write_files(folder: &Path) {
    login_key().write_file(&folder.join("login.key")).unwrap();
    link_secret().write_file(&folder.join("link.secret")).unwrap();
    inner_secret().write_file(&folder.join("inner.secret")).unwrap();
}

/// A ticket of that session was seen.
pub(crate) fn remember(ticket: &[u8], session_key: [u8; 32]) {
    SESSIONS.lock().unwrap().insert(ticket.to_vec(), session_key);
}

/// The key of the session that this ticket is of, if it was seen.
pub(crate) fn session_key(ticket: &[u8]) -> Option<[u8; 32]> {
    SESSIONS.lock().unwrap().get(ticket).copied()
}

/// The handshake of whoever shows this; none: nobody who knows a key would.
pub(crate) fn begin(role: Role, ticket: &[u8], head: &[u8]) -> Option<(Initiator, Message)> {
    let begun = match role {
        Role::Login => Initiator::begin(Known::Login(&login_key().public()), head),
        Role::Link | Role::Trunk => {
            let secret = if role == Role::Link { link_secret() } else { inner_secret() };
            let key = secret.key_of(std::str::from_utf8(ticket).ok()?);
            Initiator::begin(Known::Shared(key.as_bytes()), head)
        }
        Role::Hall | Role::Room => Initiator::begin(Known::Shared(&session_key(ticket)?), head),
        Role::Workers => return None, // no cluster of these tests has a host of workers
    };
    Some(begun)
}
