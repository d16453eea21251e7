//! Where servers are that are known by a name.
//!
//! Why: a resolver may take seconds to say that it does not know, and whoever asks here has a lease to keep.
//! Owns: the look-ups under way, a short thread each. Does not own what is done with an answer.
//! Invariants: nobody waits who asks or listens. Each address that is asked for is answered; while it is being looked up it
//! is not asked for again.
//! Limits: as many threads as names are asked for at a time, those of the servers that are wanted.
//! Read next: [`crate::server`].

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use usher_proto::Address;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// What was asked for.
    pub address: Address,
    /// Where that is, or why nobody knows.
    pub at: Result<SocketAddr, String>,
}

/// Look-ups under way. See the module head.
pub struct Names {
    look_up: fn(&str) -> io::Result<SocketAddr>,
    asked: BTreeSet<Address>,
    sender: Sender<Found>,
    receiver: Receiver<Found>,
}

impl Names {
    /// As the system knows them.
    pub fn of_system() -> Self {
        Self::new(|name| name.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("it leads nowhere")))
    }

    fn new(look_up: fn(&str) -> io::Result<SocketAddr>) -> Self {
        let (sender, receiver) = channel();
        Self { look_up, asked: BTreeSet::new(), sender, receiver }
    }

    /// Wants to know where that is. Numbers are answered at once.
    pub fn ask(&mut self, address: &Address) {
        if !self.asked.insert(address.clone()) {
            return;
        }
        match address.0.parse() {
            Ok(at) => answer(&self.sender, address.clone(), Ok(at)),
            Err(_) => self.begin(address),
        }
    }

    fn begin(&self, address: &Address) {
        let (look_up, name, sender) = (self.look_up, address.clone(), self.sender.clone());
        let asks = move || answer(&sender, name.clone(), look_up(&name.0));
        if let Err(error) = thread::Builder::new().name("names".into()).spawn(asks) {
            answer(&self.sender, address.clone(), Err(error));
        }
    }

    /// What has become known.
    pub fn found(&mut self) -> Vec<Found> {
        let found: Vec<_> = self.receiver.try_iter().collect();
        for Found { address, .. } in &found {
            self.asked.remove(address);
        }
        found
    }
}

fn answer(sender: &Sender<Found>, address: Address, at: io::Result<SocketAddr>) {
    let _ = sender.send(Found { address, at: at.map_err(|error| error.to_string()) }); // nobody asks any more
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;
    use usher_runtime::clock;

    /// The resolver answers when this is free.
    static GATE: Mutex<()> = Mutex::new(());

    fn behind_gate(_: &str) -> io::Result<SocketAddr> {
        let _open = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        Err(io::Error::other("no such name"))
    }

    #[test]
    fn nobody_waits_for_a_resolver_and_everybody_is_answered_once() {
        let [name, number] = ["room-1:7350", "127.0.0.1:7350"].map(Address::from);
        let closed = GATE.lock().unwrap();
        let mut names = Names::new(behind_gate);
        for address in [&name, &name, &number] {
            names.ask(address);
        }
        assert_eq!(names.found(), [Found { at: Ok("127.0.0.1:7350".parse().unwrap()), address: number }]);
        drop(closed);
        let patience = clock::instant() + Duration::from_secs(30);
        let found = loop {
            let found = names.found();
            if !found.is_empty() {
                break found;
            }
            assert!(clock::instant() < patience, "no answer");
            thread::yield_now();
        };
        assert_eq!(found, [Found { address: name.clone(), at: Err("no such name".into()) }]);
        names.ask(&name);
        assert!(names.asked.contains(&name), "it may be asked for again");
    }
}
