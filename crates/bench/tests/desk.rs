//! The load of a push server against one that runs here, and against one that is not what it should be.
//!
//! Read next: `src/desk.rs`.
#![forbid(unsafe_code)]

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use usher_bench::desk::Returns;
use usher_bench::{Child, Slice};
use usher_proto::message::Port;
use usher_push::{Config, Running};
use usher_runtime::config::ConfigFile;

const SOON: Duration = Duration::from_secs(60);
const CONFIG: &str = "kind = \"push\"\n[server]\nname = \"push\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n\
    [controllers]\nlisten = \"127.0.0.1:0\"\n[administrators]\nlisten = \"127.0.0.1:0\"\n\
    [addresses]\nexempt = [\"127.0.0.0/8\"]\n";

/// Ended when it is dropped.
struct Server(Option<Running>);

impl Server {
    fn start() -> Self {
        let file = ConfigFile::from_text(Path::new("push.toml"), CONFIG);
        Self(Some(Running::start(&Config::load(&file).unwrap()).unwrap()))
    }

    fn desk(&self, words: &[&str]) -> Child {
        let at = |port| self.0.as_ref().unwrap().address(port).to_string();
        desk(&at(Port::Terminals), &at(Port::Controllers), words)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.take().unwrap().stop(SOON);
    }
}

fn desk(terminals: &str, controllers: &str, words: &[&str]) -> Child {
    let words = [&[terminals, controllers, "--terminals=10"], words].concat();
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Child::start(Path::new(env!("CARGO_BIN_EXE_desk")), &words).unwrap()
}

fn slice(desk: &mut Child, order: &str) -> Slice {
    desk.say(order).unwrap();
    serde_json::from_str(&desk.line(SOON).unwrap()).unwrap()
}

#[test]
fn instructions_arrive_in_closed_and_open_loops() {
    let server = Server::start();
    // On one server: whoever comes anew goes on behind what was given before.
    for words in [&[][..], &["--singly"], &["--rate=2000"], &["--rate=2000", "--quotes=500"]] {
        let mut desk = server.desk(words);
        assert_eq!(desk.line(SOON).unwrap(), "ready");
        assert_eq!(slice(&mut desk, "count 500").echoed(), 500, "{words:?}");
        let timed = slice(&mut desk, "run 100");
        let expected = if words.contains(&"--rate=2000") { 200..=200 } else { 10..=u64::MAX };
        assert!(expected.contains(&timed.echoed()), "{words:?}: {timed:?}");
        assert!(timed.p50_us > 0.0 && timed.p50_us <= timed.p99_us, "{timed:?}");
        desk.say("quit").unwrap();
        assert!(desk.end(SOON).unwrap().success());
    }
}

#[test]
fn who_comes_back_has_everything_once() {
    let server = Server::start();
    let mut desk = server.desk(&["--rate=5000", "--returns=50"]);
    let returns: Returns = serde_json::from_str(&desk.line(SOON).unwrap()).unwrap();
    assert_eq!((returns.returns, returns.lost, returns.doubled), (50, 0, 0), "{returns:?}");
    assert!(returns.missed > 0 && returns.missed < returns.instructions, "{returns:?}");
    assert!(returns.took.p50_us > 0.0, "{returns:?}");
    assert!(desk.end(SOON).unwrap().success());
}

#[test]
fn a_server_that_closes_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let close_all = move || listener.incoming().for_each(drop);
    drop(std::thread::Builder::new().name("closer".into()).spawn(close_all).unwrap());
    assert!(!desk(&address, &address, &[]).end(SOON).unwrap().success());
}
