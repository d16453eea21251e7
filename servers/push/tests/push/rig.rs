//! A server of a test, and its clients.
//!
//! Invariants: a server that is dropped has ended, and its pools have everything back. A silent one fails the test
//! after [`PATIENCE`].
//! Read next: `usher_push::client`.

use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use usher_hpserver::ListenerMetrics;
use usher_proto::Message;
use usher_proto::message::{
    ClientEntry, CloseReason, Closing, ControllerHello, Counts, Instruct, Instructed, Port, SetQuote, Since,
    Subscribe, TerminalHello, To,
};
use usher_push::client::Client;
use usher_push::{Config, Running};
use usher_runtime::clock;
use usher_runtime::config::ConfigFile;
use usher_runtime::life::is_balanced;

/// How long anything may take, on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until there is something to see.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = clock::instant() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(clock::instant() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// A config on port 0: what each port has beyond its address, and other sections.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    pub(crate) terminals: &'a str,
    pub(crate) controllers: &'a str,
    pub(crate) administrators: &'a str,
    pub(crate) rest: &'a str,
}

impl Setup<'_> {
    pub(crate) fn text(&self) -> String {
        let Self { terminals, controllers, administrators, rest } = self;
        let any = "listen = \"127.0.0.1:0\"";
        format!(
            "kind = \"push\"\n[server]\nname = \"push\"\n[terminals]\n{any}\n{terminals}\n[controllers]\n{any}\n\
             {controllers}\n[administrators]\n{any}\n{administrators}\n[addresses]\nexempt = [\"127.0.0.0/8\"]\n{rest}\n"
        )
    }

    pub(crate) fn start(&self) -> Server {
        let file = ConfigFile::from_text(Path::new("push.toml"), &self.text());
        Server(Some(Running::start(&Config::load(&file).unwrap()).unwrap()))
    }
}

/// A server in this process.
pub(crate) struct Server(Option<Running>);

impl Drop for Server {
    fn drop(&mut self) {
        let report = self.0.take().expect("it runs until here").stop(PATIENCE);
        if !std::thread::panicking() {
            assert!(report.flushed && is_balanced(&report), "{report:?}");
        }
    }
}

impl Server {
    pub(crate) fn running(&self) -> &Running {
        self.0.as_ref().expect("it runs until it is dropped")
    }

    pub(crate) fn address(&self, port: Port) -> SocketAddr {
        self.running().address(port)
    }

    pub(crate) fn connect(&self, port: Port) -> Peer {
        Peer::connect(self.address(port))
    }

    /// A terminal that has everything so far of what is for it alone.
    pub(crate) fn terminal(&self, name: &str) -> Peer {
        let mut terminal = self.connect(Port::Terminals);
        terminal.say(TerminalHello { name: name.into(), generation: 0, since: Since::Now });
        terminal.await_said("its own log", |message| matches!(message, Message::Subscribed(_)).then_some(()));
        terminal
    }

    /// A terminal that hears a topic from now on.
    pub(crate) fn hearer(&self, name: &str, topic: &str) -> Peer {
        let mut terminal = self.terminal(name);
        terminal.subscribe(topic, Since::Now);
        terminal
    }

    pub(crate) fn controller(&self, name: &str) -> Peer {
        let mut controller = self.connect(Port::Controllers);
        controller.say(ControllerHello { name: name.into(), generation: 0 });
        controller.await_said("a welcome", |it| matches!(it, Message::ControllerWelcome(_)).then_some(()));
        controller
    }

    pub(crate) fn administrator(&self) -> Lines {
        Lines::connect(self.address(Port::Administrators))
    }

    /// Layer 2's counters of a port.
    pub(crate) fn counters(&self, port: Port) -> ListenerMetrics {
        self.running().metrics().listeners[port as usize].clone()
    }

    /// Waits until so many connections of a port have ended for that reason.
    pub(crate) fn until_closed(&self, port: Port, reason: &str, count: u64) {
        let look = || (self.counters(port).closed[reason] == count).then_some(());
        until(&format!("{count} closed for {reason}"), look);
    }
}

/// A native client that fails the test when anything is not as it should be.
pub(crate) struct Peer(pub(crate) Client);

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self(Client::connect(address, PATIENCE).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    pub(crate) fn say(&self, message: impl Into<Message>) {
        self.0.say(message).unwrap_or_else(|error| panic!("cannot say anything: {error}"));
    }

    pub(crate) fn hear(&mut self) -> Message {
        self.0.hear().unwrap_or_else(|error| panic!("nothing heard: {error}"))
    }

    /// Hears on until `pick` takes something.
    pub(crate) fn await_said<T>(&mut self, what: &str, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        loop {
            let message = self.hear();
            if let Some(picked) = pick(&message) {
                return picked;
            }
            assert!(!matches!(message, Message::Closing(_)), "waited for {what}: {message:?}");
        }
    }

    /// The reason said last before the orderly end of the stream.
    pub(crate) fn last_word(&mut self) -> Option<CloseReason> {
        let mut reason = None;
        loop {
            match self.0.hear() {
                Ok(Message::Closing(Closing { reason: said })) => reason = Some(said),
                Ok(_) => assert_eq!(reason, None, "something was said after the last word"),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return reason,
                Err(error) => panic!("after {reason:?}: {error}"),
            }
        }
    }

    pub(crate) fn subscribe(&mut self, topic: &str, since: Since) {
        self.say(Subscribe { topic: topic.into(), since });
        self.await_said("a subscription", |it| matches!(it, Message::Subscribed(_)).then_some(()));
    }

    pub(crate) fn quote(&self, topic: &str, key: &str, value: &str) {
        self.say(SetQuote { topic: topic.into(), key: key.into(), value: value.into() });
    }

    /// Instructs, and waits for the number.
    pub(crate) fn instruct(&mut self, request: u64, to: &To, payload: &str) -> u64 {
        self.say(Instruct { request, to: to.clone(), payload: payload.into() });
        self.await_said("an answer", |message| match message {
            Message::Instructed(Instructed { request: answered, seq }) if *answered == request => Some(*seq),
            _ => None,
        })
    }
}

/// A person at `nc`.
pub(crate) struct Lines(pub(crate) BufReader<TcpStream>);

impl Lines {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn type_in(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; none at the orderly end.
    pub(crate) fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}")))
    }

    /// Says a line, and reads one.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.type_in(&format!("{line}\n"));
        self.read().expect("an answer")
    }

    pub(crate) fn counts(&mut self) -> Counts {
        serde_json::from_value(self.ask("{\"get_counts\":{}}")["counts"].clone()).unwrap()
    }

    pub(crate) fn clients(&mut self) -> Vec<ClientEntry> {
        serde_json::from_value(self.ask("{\"list_clients\":{}}")["clients"]["clients"].clone()).unwrap()
    }
}
