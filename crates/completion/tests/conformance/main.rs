//! What every backend must do, as a client sees it and as the hooks are told.
//!
//! Each test runs on every engine, with ordinary sizes and with the smallest; the other side of each stream is
//! a plain blocking socket of the standard library.
//! Read next: `../station/mod.rs`, the server under test; then `bytes.rs`.

mod bytes;
mod ending;
mod limits;
mod origin;
#[cfg(unix)]
mod panics;
#[path = "../station/mod.rs"]
mod station;

use ::bytes::Bytes;
use usher_completion::{ConnId, Fault, Handle};

use station::{Event, Station, pattern};

const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// More than any socket takes, in parts that do not line up with anything.
fn send_large(handle: &Handle, conn: ConnId) -> Vec<u8> {
    let bytes = pattern(LARGE_BYTES);
    let parts = Bytes::from(bytes.clone());
    let sends =
        (0..LARGE_BYTES).step_by(65_521).map(|at| (conn, parts.slice(at..(at + 65_521).min(LARGE_BYTES))));
    handle.send_batch(conn.worker(), sends).unwrap();
    bytes
}

/// Waits until the worker has carried out what was asked before: a stale verb comes back as a fault.
fn turn(station: &Station, conn: ConnId) {
    let nobody = ConnId::from_bits(conn.to_bits() | u64::from(u32::MAX));
    station.handle().resume_reading(nobody);
    station.find(|event| {
        matches!(event, Event::Fault(Fault::Stale { conn, .. }) if *conn == nobody).then_some(())
    });
}
