//! The real binary: it says where it listens, sends back what it is sent, and ends in good order.
#![forbid(unsafe_code)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::Builder,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes so long, unless it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest frame, and so many of them that some are under way whenever the signal comes.
const LARGEST_BYTES: usize = 2 + 65_535;
const FRAMES: usize = 64;

struct Echo {
    process: Child,
    /// What it prints; disconnected when it has ended.
    lines: Receiver<String>,
    address: String,
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn echo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher-echo"));
    command.args(arguments);
    command
}

fn start() -> Echo {
    let mut process = echo(&["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let pass_on = move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
    Builder::new().spawn(pass_on).unwrap();
    let line = lines.recv_timeout(PATIENCE).unwrap();
    let address = line.strip_prefix("listening on ").expect("it says where it listens").into();
    Echo { process, lines, address }
}

impl Echo {
    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for its end; how it ended.
    fn end(mut self) -> Option<i32> {
        assert_eq!(self.lines.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        self.process.wait().unwrap().code()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into()
}

#[test]
fn a_frame_comes_back() {
    let server = start();
    let mut client = server.connect();
    client.write_all(b"\0\x05hello").unwrap();
    let mut answer = [0; 7];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\x05hello");
}

#[test]
fn it_ends_when_told_and_cuts_no_frame() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = start();
        let mut client = server.connect();
        let mut writer = client.try_clone().unwrap();
        let mut frame = vec![0xff; LARGEST_BYTES];
        let frames = frame.clone();
        let write = move || (0..FRAMES).all(|_| writer.write_all(&frames).is_ok());
        Builder::new().spawn(write).unwrap();
        client.read_exact(&mut frame).unwrap();
        server.signal(signal);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        drop(client);
        assert_eq!(rest.len() % LARGEST_BYTES, 0);
        assert!(rest.iter().all(|byte| *byte == 0xff));
        assert_eq!(server.end(), Some(0));
    }
}

#[test]
fn bad_usage_is_said() {
    let cases: [&[&str]; 4] =
        [&[], &["--listen"], &["--listen", "localhost"], &["--listen", "[::1]:0", "more"]];
    for arguments in cases {
        let output = echo(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).starts_with("usage: usher-echo --listen ADDRESS"), "{arguments:?}");
    }
}

#[test]
fn a_taken_port_is_said_and_what_to_do() {
    let server = start();
    let output = echo(&["--listen", &server.address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&server.address) && said.contains("take another port"), "{said}");
}
