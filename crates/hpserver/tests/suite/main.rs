//! Layer 2's suite: every promise, on real sockets, for many arrangements of threads and lengths of queue.
//!
//! `rig` is the server under test, `client` its clients; each other module is one kind of promise. Every test ends
//! with `Rig::finish`, which checks what must hold whatever happened: each connection has had exactly one
//! `Closed`, no event came to a shard that did not own its connection, every pool got back what was taken.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod addresses;
#[cfg(unix)]
mod child;
mod client;
#[cfg(target_os = "linux")]
mod crowds;
mod groups;
mod latest;
mod limits;
mod lives;
#[cfg(unix)]
mod panics;
mod pressure;
mod protocol;
mod rates;
mod rig;
mod sealed;
mod shards;
mod streams;
mod trunks;
