//! The online lists: who is connected on which port, since when, from where, as what.
//!
//! Why: a connection is found by its id for each message, and by its number for an administrator.
//! Invariants: numbers rise in the order of coming and are never used again. Both maps hold the same clients.
//! Limits: each port's `connections_max`, which layer 2 keeps.
//! Read next: [`super`].

use super::Arrival;
use super::terminal::Listening;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use usher_proto::ConnId;
use usher_proto::message::{ClientEntry, Port};

/// What a client has said it is.
#[derive(Debug)]
pub(super) enum Role {
    /// Nothing yet; an administrator never does.
    Nobody,
    /// A terminal.
    Terminal(Box<Listening>),
    /// A controller of this name.
    Controller(Arc<str>),
}

/// One connected client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: u64,
    pub(super) arrival: Arrival,
    pub(super) role: Role,
}

impl Client {
    pub(super) fn listening(&self) -> Option<&Listening> {
        match &self.role {
            Role::Terminal(listening) => Some(listening),
            _ => None,
        }
    }

    pub(super) fn entry(&self) -> ClientEntry {
        let listening = self.listening();
        ClientEntry {
            client: self.number,
            port: self.arrival.port,
            name: match &self.role {
                Role::Nobody => None,
                Role::Terminal(listening) => Some((&*listening.name).into()),
                Role::Controller(name) => Some((&**name).into()),
            },
            address: self.arrival.address.to_string(),
            since_unix_ms: self.arrival.unix_ms,
            topics: listening.into_iter().flat_map(|it| &it.topics).map(|topic| (&**topic).into()).collect(),
            behind: listening.is_some_and(Listening::is_behind),
        }
    }
}

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_conn: HashMap<ConnId, Client, foldhash::fast::RandomState>,
    by_number: BTreeMap<u64, ConnId>,
    last_number: u64,
}

impl Clients {
    pub(super) fn insert(&mut self, conn: ConnId, arrival: Arrival) {
        self.last_number += 1;
        let client = Client { number: self.last_number, arrival, role: Role::Nobody };
        self.by_number.insert(client.number, conn);
        self.by_conn.insert(conn, client);
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Client> {
        let client = self.by_conn.remove(&conn)?;
        self.by_number.remove(&client.number);
        Some(client)
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&Client> {
        self.by_conn.get(&conn)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Client> {
        self.by_conn.get_mut(&conn)
    }

    /// What is kept of a connection that has said it is a terminal.
    pub(super) fn listening(&mut self, conn: ConnId) -> Option<&mut Listening> {
        match &mut self.get_mut(conn)?.role {
            Role::Terminal(listening) => Some(listening),
            _ => None,
        }
    }

    /// The name of a connection that has said it is a controller.
    pub(super) fn controller(&self, conn: ConnId) -> Option<Arc<str>> {
        match &self.get(conn)?.role {
            Role::Controller(name) => Some(Arc::clone(name)),
            _ => None,
        }
    }

    pub(super) fn numbered(&self, number: u64) -> Option<ConnId> {
        self.by_number.get(&number).copied()
    }

    /// In the order of coming, behind `number`.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = (ConnId, &Client)> {
        let numbers = self.by_number.range((Excluded(number), Unbounded));
        numbers.filter_map(|(_, conn)| Some((*conn, self.by_conn.get(conn)?)))
    }

    pub(super) fn on(&self, port: Port) -> usize {
        self.by_conn.values().filter(|client| client.arrival.port == port).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_conn.is_empty()
    }
}
