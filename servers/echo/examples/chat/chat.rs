//! The rules of a chat: who says a name first is in, and from then on everybody hears what they say.
//!
//! Invariants: a name is one member's at a time; who has no name hears and says nothing.
//! Limits: the listeners' `connections_max` bounds the members.

use std::collections::BTreeMap;

use usher_hpserver::{Actions, ConnId, Event, GroupId, ListenerId, Service};

/// The first listener in the list that `Server::start` is given.
const PEOPLE: ListenerId = ListenerId(0);
const EVERYBODY: GroupId = 0;
/// The key of how many are here: who has not heard the last number need only hear the next.
const HOW_MANY: u64 = 0;

#[derive(Default)]
pub(crate) struct Chat {
    names: BTreeMap<ConnId, String>,
}

impl Service for Chat {
    type Packet = String;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Opened { conn, listener: PEOPLE, .. } => out.send(conn, "your name?".into()),
            Event::Packet { conn, packet } => match self.names.get(&conn) {
                Some(name) => out.publish(EVERYBODY, format!("{name}: {packet}"), Some(conn)),
                None => self.enter(conn, packet, out),
            },
            Event::Closed { conn, .. } => self.leave(conn, out),
            _ => {}
        }
    }
}

impl Chat {
    fn enter(&mut self, conn: ConnId, name: String, out: &mut Actions<Self>) {
        if name.is_empty() || self.names.values().any(|taken| *taken == name) {
            return out.send(conn, format!("not {name:?}, please; your name?"));
        }
        out.join(conn, EVERYBODY);
        out.publish(EVERYBODY, format!("* {name} is here"), None);
        self.names.insert(conn, name);
        self.say_how_many(None, out);
    }

    fn leave(&mut self, conn: ConnId, out: &mut Actions<Self>) {
        if let Some(name) = self.names.remove(&conn) {
            out.publish(EVERYBODY, format!("* {name} left"), Some(conn));
            self.say_how_many(Some(conn), out);
        }
    }

    fn say_how_many(&self, except: Option<ConnId>, out: &mut Actions<Self>) {
        out.publish_latest(EVERYBODY, HOW_MANY, format!("* {} here", self.names.len()), except);
    }
}

#[cfg(test)]
mod tests {
    use usher_hpserver::CloseReason;

    use super::*;

    #[test]
    fn a_name_is_one_member_s_until_they_leave() {
        let (mut chat, mut out) = (Chat::default(), Actions::new(0));
        let [ann, bob] = [1, 2].map(ConnId::from_bits);
        let ann_says = |conn| Event::Packet { conn, packet: "ann".into() };
        chat.handle(ann_says(ann), &mut out);
        chat.handle(ann_says(bob), &mut out);
        assert_eq!(chat.names, BTreeMap::from([(ann, "ann".into())]));
        chat.handle(Event::Closed { conn: ann, reason: CloseReason::PeerClosed }, &mut out);
        chat.handle(ann_says(bob), &mut out);
        assert_eq!(chat.names, BTreeMap::from([(bob, "ann".into())]));
    }
}
