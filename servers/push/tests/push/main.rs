//! The push server over real sockets, on loopback, port 0.
//!
//! Why: the rules are proven by calls; here it is shown that three ports, three codecs and slow or broken clients are
//! what the rules believe them to be.
//! Owns: nothing but tests. [`rig`] starts servers and talks to them.
//! Invariants: everything is waited for by a deadline; every server ends with its test, and has everything back.
//! Read next: [`rig`], then [`ports`].

mod lines;
mod ports;
mod process;
mod reconnects;
mod rig;
mod slow;
mod strangers;
