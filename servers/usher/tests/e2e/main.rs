//! The real binaries, end to end: every server a process of its own, on loopback, port 0.
//!
//! Why: machines are proven in the simulator; here it is shown that the processes around them do the same on
//! real sockets, to strangers, to abuse, and when one of them is killed.
//! Owns: nothing but tests. [`cluster`] starts processes, [`wire`] speaks to them as a player does, [`page`]
//! reads what they say of themselves.
//! Invariants: everything is waited for by a deadline; every process ends with its test.
//! Read next: [`wire`], then [`door`].

mod abuse;
mod accounts;
mod cable;
mod channel;
mod cluster;
mod commands;
mod crashes;
mod dashboard;
mod deploy;
mod door;
mod evenings;
mod figures;
mod floods;
mod gateway;
mod helps;
mod killed_players;
mod links;
mod logins;
mod logs;
mod notify;
mod operator;
mod outside;
mod page;
mod plan;
mod play;
mod readiness;
mod replay;
mod reports;
mod reservations;
mod rolling;
mod secrets;
mod sleeping;
mod slow;
mod status;
mod stopping;
mod strangers;
mod terminal;
mod up;
mod wire;
mod workers;
mod worlds;
