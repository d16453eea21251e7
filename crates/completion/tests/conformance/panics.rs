//! A hook that panics: the process ends, nothing is left hanging.
//!
//! This test binary runs itself once more as the process that is to end.
//! Read next: `../../src/vital.rs`.

use std::env;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::station::{Event, Station, configs, react, write};

const IS_CHILD: &str = "USHER_PANICS_CHILD";
const SIGABRT: i32 = 6;

#[test]
fn a_panic_on_a_worker_ends_the_process() {
    if env::var_os(IS_CHILD).is_some() {
        return panic_on_a_worker();
    }
    let this = ["--exact", "panics::a_panic_on_a_worker_ends_the_process"];
    let child = Command::new(env::current_exe().unwrap()).args(this).env(IS_CHILD, "1").output().unwrap();
    assert_eq!(child.status.signal(), Some(SIGABRT), "{child:?}");
}

/// Comes back, and so fails the test, if the process outlives the worker.
fn panic_on_a_worker() {
    let panics = react(|_, event| assert!(!matches!(event, Event::Received(..)), "a hook panics"));
    let station = Station::start(configs().remove(0), &panics);
    let (mut client, _) = station.pair();
    write(&client, b"panic");
    let _ = client.read(&mut [0]);
}
