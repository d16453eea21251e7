//! What administrators see and do.
//!
//! Why: the online lists and logs are shown as they are, a page at a time; no list is made that could be large.
//! Invariants: what is in use is not forgotten; a log that comes to be again after a [`Broker::forget`] has another
//! number.
//! Limits: [`LISTED_MAX`] entries a page.
//! Read next: [`super::clients`].

use super::{Broker, Effects};
use usher_proto::ConnId;
use usher_proto::limits::LISTED_MAX;
use usher_proto::message::{
    ClientClosed, Clients, CloseClient, CloseReason, Denial, Denied, Forget, Forgotten, ListClients,
    ListTerminals, ListTopics, TerminalEntry, Terminals, To, Topics,
};

impl Broker {
    pub(super) fn list_clients(&self, list: ListClients) -> Clients {
        let clients = self.clients.after(list.after).map(|(_, client)| client);
        let wanted = clients.filter(|client| list.port.is_none_or(|port| client.arrival.port == port));
        let (clients, more) = page(wanted.map(super::Client::entry));
        Clients { clients, more }
    }

    pub(super) fn list_topics(&self, list: &ListTopics) -> Topics {
        let (topics, more) = page(self.topics.after(&list.after).map(|(name, topic)| topic.entry(name)));
        Topics { topics, more }
    }

    pub(super) fn list_terminals(&self, list: &ListTerminals) -> Terminals {
        let entries = self.terminals.after(&list.after).map(|(name, known)| TerminalEntry {
            terminal: (&**name).into(),
            client: known.conn.and_then(|conn| Some(self.clients.get(conn)?.number)),
            log: known.log.entry(),
        });
        let (terminals, more) = page(entries);
        Terminals { terminals, more }
    }

    pub(super) fn close_client(&mut self, conn: ConnId, close: CloseClient, out: &mut Effects) {
        let CloseClient { client } = close;
        match self.clients.numbered(client) {
            Some(chosen) => {
                out.send(conn, ClientClosed { client });
                self.close(chosen, CloseReason::ClosedByAdministrator, out);
                self.close_the_done(out);
            }
            None => self.deny(conn, Denied { reason: Denial::NoSuchClient }, out),
        }
    }

    pub(super) fn forget(&mut self, conn: ConnId, forget: Forget, out: &mut Effects) {
        let Forget { to } = forget;
        match self.try_forget(&to) {
            Ok(()) => {
                self.log += 1;
                out.send(conn, Forgotten { to });
            }
            Err(reason) => self.deny(conn, Denied { reason }, out),
        }
    }

    fn try_forget(&mut self, to: &To) -> Result<(), Denial> {
        match to {
            To::Topic(name) => {
                let topic = self.topics.get(name).ok_or(Denial::NoSuchTopic)?;
                if topic.subscribers > 0 {
                    return Err(Denial::InUse);
                }
                self.topics.remove(name);
            }
            To::Terminal(name) => {
                let known = self.terminals.get(name).ok_or(Denial::NoSuchTerminal)?;
                if known.conn.is_some() {
                    return Err(Denial::InUse);
                }
                self.terminals.remove(name);
            }
        }
        Ok(())
    }
}

/// The first entries, and whether there are others.
fn page<T>(entries: impl Iterator<Item = T>) -> (Vec<T>, bool) {
    let mut listed: Vec<T> = entries.take(LISTED_MAX + 1).collect();
    let more = listed.len() > LISTED_MAX;
    listed.truncate(LISTED_MAX);
    (listed, more)
}
