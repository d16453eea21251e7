//! The load and each peer as they are run: real processes, port 0, deadlines.
//!
//! Read next: `src/load.rs`.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use usher_bench::storm::Visits;
use usher_bench::{Child, Slice};

const SOON: Duration = Duration::from_secs(30);

fn start(program: &str, words: &[&str]) -> Child {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Child::start(Path::new(program), &words).unwrap()
}

/// The server and its address.
fn serve(program: &str, threads: &str) -> (Child, String) {
    let words = ["127.0.0.1:0", "--threads", threads, "--for", "120", "--with-parent"];
    let mut server = start(program, &words);
    let address = server.line(SOON).unwrap();
    (server, address)
}

fn count(load: &mut Child, messages: u64) -> Slice {
    load.say(&format!("count {messages}")).unwrap();
    serde_json::from_str(&load.line(SOON).unwrap()).unwrap()
}

fn load(address: &str, depth: &str) -> Child {
    ready(env!("CARGO_BIN_EXE_load"), &[address, "--connections", "10", "--depth", depth])
}

fn framed_load(address: &str, depth: &str) -> Child {
    let words = [address, "--connections", "10", "--depth", depth, "--framed", "--size", "300"];
    ready(env!("CARGO_BIN_EXE_load"), &words)
}

fn ready(program: &str, words: &[&str]) -> Child {
    let mut load = start(program, words);
    assert_eq!(load.line(SOON).unwrap(), "ready");
    load
}

fn messages_come_back(address: &str) {
    come_and_go(|depth| load(address, depth));
}

fn frames_come_back(address: &str) {
    come_and_go(|depth| framed_load(address, depth));
}

/// Counted and timed slices, then the end.
fn come_and_go(load: impl Fn(&str) -> Child) {
    for depth in ["1", "16"] {
        let mut load = load(depth);
        let slice = count(&mut load, 1_000);
        assert_eq!((slice.messages, slice.drained), (1_000, 0));
        assert!(slice.seconds > 0.0 && slice.p50_us > 0.0, "{slice:?}");
        assert!(slice.p50_us <= slice.p99_us && slice.p99_us <= slice.p999_us, "{slice:?}");
        load.say("run 50").unwrap();
        let slice: Slice = serde_json::from_str(&load.line(SOON).unwrap()).unwrap();
        assert!((slice.seconds - 0.05).abs() < 1e-9 && slice.echoed() >= 10, "{slice:?}");
        load.say("quit").unwrap();
        assert!(load.end(SOON).unwrap().success());
    }
}

/// More than fits into the buffers between, and a small window here: the server meets a socket that refuses.
fn a_slow_reader_gets_every_byte(address: &str) {
    const BYTES: usize = 32 * 1024 * 1024;
    comes_back_slowly(address, &(0..BYTES).map(|index| (index % 251) as u8).collect::<Vec<_>>());
}

fn a_slow_reader_gets_every_frame(address: &str) {
    const FRAMES: usize = 16 * 1024;
    let frame = |index: usize| [&[3, 0][..], &[(index % 251) as u8; 3 * 256]].concat();
    comes_back_slowly(address, &(0..FRAMES).flat_map(frame).collect::<Vec<_>>());
}

/// Says all, then no more; hears all, then the end.
fn comes_back_slowly(address: &str, sent: &[u8]) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stream.write_all(sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::with_capacity(sent.len());
        reader.read_to_end(&mut received).unwrap();
        assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
    });
}

/// A client that is gone with data under way costs only itself.
fn a_reset_ends_one_connection(address: &str) {
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&vec![7; 100_000]).unwrap();
        // Closed with unread bytes, the kernel resets.
        drop(stream);
    }
}

fn an_echo_server(program: &str) {
    for threads in ["1", "2"] {
        let (_server, address) = serve(program, threads);
        messages_come_back(&address);
        a_reset_ends_one_connection(&address);
        a_slow_reader_gets_every_byte(&address);
        messages_come_back(&address);
    }
}

#[test]
fn bare_mio() {
    an_echo_server(env!("CARGO_BIN_EXE_bare_mio"));
}

#[test]
fn tokio_echo() {
    an_echo_server(env!("CARGO_BIN_EXE_tokio_echo"));
}

fn a_framed_echo_server(program: &str) {
    for threads in ["1", "2"] {
        let (_server, address) = serve(program, threads);
        frames_come_back(&address);
        a_reset_ends_one_connection(&address);
        a_slow_reader_gets_every_frame(&address);
        frames_come_back(&address);
        let visits = visits(&address, &["--framed"]);
        assert_eq!((visits.answered, visits.failed), (500, 0));
    }
}

#[test]
fn tokio_framed() {
    a_framed_echo_server(env!("CARGO_BIN_EXE_tokio_framed"));
}

#[test]
fn tokio_stages() {
    a_framed_echo_server(env!("CARGO_BIN_EXE_tokio_stages"));
}

#[test]
fn frames_are_bytes_like_any() {
    let (_server, address) = serve(env!("CARGO_BIN_EXE_bare_mio"), "1");
    frames_come_back(&address);
}

#[test]
fn bare_uring() {
    if let Err(error) = io_uring::IoUring::new(8) {
        let refused =
            ["ENOSYS", "EPERM"].iter().zip([38, 1]).find(|(_, code)| error.raw_os_error() == Some(*code));
        let (name, _) = refused.expect("io_uring is neither there nor refused");
        println!("skipped: io_uring_setup says {name}");
        return;
    }
    an_echo_server(env!("CARGO_BIN_EXE_bare_uring"));
}

#[test]
fn a_peer_ends_when_its_time_is_over() {
    let mut server = start(env!("CARGO_BIN_EXE_bare_mio"), &["127.0.0.1:0", "--for", "0"]);
    assert!(server.end(SOON).unwrap().success());
}

#[test]
fn the_load_says_when_the_server_is_gone() {
    let (server, address) = serve(env!("CARGO_BIN_EXE_bare_mio"), "1");
    let mut load = load(&address, "1");
    drop(server);
    load.say("count 1000").unwrap();
    assert!(!load.end(SOON).unwrap().success());
}

fn visits(address: &str, more: &[&str]) -> Visits {
    let words = [&[address, "--rate", "5000", "--visits", "500"], more].concat();
    let mut storm = start(env!("CARGO_BIN_EXE_storm"), &words);
    let visits = serde_json::from_str(&storm.line(SOON).unwrap()).unwrap();
    assert!(storm.end(SOON).unwrap().success());
    visits
}

#[test]
fn every_visitor_of_a_storm_is_answered() {
    let (_server, address) = serve(env!("CARGO_BIN_EXE_bare_mio"), "2");
    let visits = visits(&address, &[]);
    assert_eq!((visits.answered, visits.failed), (500, 0));
    assert!(visits.begun.p50_us <= visits.established.p50_us, "{visits:?}");
    assert!(visits.established.p50_us <= visits.echoed.p50_us, "{visits:?}");
    // The last one was due then.
    assert!(visits.seconds >= 499.0 / 5_000.0, "{visits:?}");
}

#[test]
fn a_storm_counts_who_was_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let visits = visits(&address, &[]);
    assert_eq!((visits.answered, visits.failed), (0, 500));
}

#[test]
fn other_bytes_than_were_sent_are_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut load = start(env!("CARGO_BIN_EXE_load"), &[&address, "--connections", "1"]);
    let (mut stream, _) = listener.accept().unwrap();
    let mut message = [0; 64];
    stream.read_exact(&mut message).unwrap();
    message[63] ^= 1;
    stream.write_all(&message).unwrap();
    assert!(!load.end(SOON).unwrap().success());
}

/// What a server of broadcasts does wrong, once.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    Twice,
    Never,
    Altered,
    Closed,
}

/// Sends each frame to all who are connected. At the 500th it does to the fourth of them what it is told.
fn broadcaster(wrong: Wrong) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let room = Arc::new(Mutex::new((0, Vec::new())));
    let serve = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_nodelay(true).unwrap();
            room.lock().unwrap().1.push(stream.try_clone().unwrap());
            let room = Arc::clone(&room);
            thread("member", move || pass_on(stream, &room, wrong));
        }
    };
    thread("broadcaster", serve);
    address
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) {
    drop(std::thread::Builder::new().name(name.into()).spawn(run).unwrap());
}

/// Whoever is gone is forgotten.
fn pass_on(mut stream: TcpStream, room: &Mutex<(u64, Vec<TcpStream>)>, wrong: Wrong) {
    let mut header = [0; 2];
    while stream.read_exact(&mut header).is_ok() {
        let mut frame = header.to_vec();
        frame.resize(2 + usize::from(u16::from_be_bytes(header)), 0);
        stream.read_exact(&mut frame[2..]).unwrap();
        let mut room = room.lock().unwrap();
        let (count, members) = &mut *room;
        *count += 1;
        let mut index = 0;
        members.retain_mut(|member| {
            index += 1;
            let wrong = if (*count, index) == (500, 4) { wrong } else { Wrong::Nothing };
            let sent = match wrong {
                Wrong::Nothing => member.write_all(&frame),
                Wrong::Twice => member.write_all(&frame.repeat(2)),
                Wrong::Never => Ok(()),
                Wrong::Altered => member.write_all(&[&frame[..101], &[0]].concat()),
                Wrong::Closed => member.shutdown(Shutdown::Both),
            };
            sent.is_ok()
        });
    }
}

fn audience(address: &str, protocol: &str, pace: &[&str]) -> Child {
    let words = [address, "--members", "10", "--protocol", protocol];
    ready(env!("CARGO_BIN_EXE_audience"), &[&words, pace].concat())
}

fn all_hear(address: &str, protocol: &str) {
    for pace in [&["--rate", "1000"][..], &[]] {
        let mut audience = audience(address, protocol, pace);
        let slice = count(&mut audience, 100);
        assert_eq!((slice.messages, slice.drained), (1_000, 0));
        assert!(slice.p50_us > 0.0 && slice.p50_us <= slice.p99_us, "{slice:?}");
        audience.say("quit").unwrap();
        assert!(audience.end(SOON).unwrap().success());
    }
}

#[test]
fn a_broadcast_is_heard_by_all() {
    all_hear(&broadcaster(Wrong::Nothing), "framed");
}

fn something_is_noticed(address: &str, protocol: &str, pace: &[&str]) {
    let mut audience = audience(address, protocol, pace);
    audience.say("count 1000").unwrap();
    assert!(!audience.end(SOON).unwrap().success());
}

#[test]
fn what_a_member_should_not_have_heard_is_noticed() {
    for wrong in [Wrong::Twice, Wrong::Never, Wrong::Altered, Wrong::Closed] {
        for pace in [&["--rate", "5000"][..], &[]] {
            something_is_noticed(&broadcaster(wrong), "framed", pace);
        }
    }
}

/// The room behind the encrypted channel, and its address.
fn sealed_room() -> (Child, String) {
    let words = ["--listen", "127.0.0.1:0", "--workers", "1", "--for", "120"];
    let mut server = start(env!("CARGO_BIN_EXE_sealed_room"), &words);
    let address = server.line(SOON).unwrap();
    (server, address)
}

/// Passes on what is said between a server and whoever connects, and alters one byte of what the fourth of them hears:
/// it is in the middle of a message, should that have 100 bytes and its frame be sealed.
fn forger(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        for (index, mut member) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut there = TcpStream::connect(&server).unwrap();
            member.set_nodelay(true).unwrap();
            there.set_nodelay(true).unwrap();
            let (hearing, heard) = (there.try_clone().unwrap(), member.try_clone().unwrap());
            thread("said", move || drop(io::copy(&mut member, &mut there)));
            let altered_at = if index == 3 { 10_000 } else { u64::MAX };
            thread("heard", move || drop(pass_on_altered(hearing, heard, altered_at)));
        }
    };
    thread("forger", serve);
    address
}

fn pass_on_altered(mut from: TcpStream, mut to: TcpStream, altered_at: u64) -> io::Result<()> {
    io::copy(&mut (&from).take(altered_at), &mut to)?;
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    to.write_all(&[byte[0] ^ 1])?;
    io::copy(&mut from, &mut to).map(drop)
}

#[test]
fn a_sealed_broadcast_is_heard_by_all() {
    let (_server, address) = sealed_room();
    all_hear(&address, "sealed");
}

#[test]
fn what_was_altered_under_its_seal_is_noticed() {
    let (_server, address) = sealed_room();
    something_is_noticed(&forger(address), "sealed", &["--rate", "5000"]);
}
