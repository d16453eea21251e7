//! Out of descriptors: accepting rests, says so, and goes on.
//!
//! Alone in its process, because the limit it sets holds for the whole of it.
//! Read next: `src/accept.rs`.
#![cfg(unix)]

mod station;

use std::fs::File;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use usher_completion::Fault;

use station::{Event, Station, configs, echo, read, write};

const DESCRIPTORS_MAX: u64 = 256;

/// Opens files until there is no descriptor left.
fn use_up() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn accepting_goes_on_when_descriptors_come_back() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS_MAX), ..limit }).unwrap();
    for config in configs() {
        let station = Station::start(config, &echo());
        let mut files = use_up();
        files.pop();
        let client = station.client();
        let event = station.next();
        let Event::Fault(Fault::Accept { listener, .. }) = event else { panic!("{event:?}") };
        assert_eq!(listener, station.listener);
        drop(files);
        station.connected();
        write(&client, b"at last");
        assert_eq!(read(&client, 7), b"at last");
        let stats = station.shutdown();
        assert!(stats.accept_errors > 0 && stats.accepted == 1, "{stats:?}");
    }
}
