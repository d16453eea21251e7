//! Plays thousands of players through a cluster and reports what they met.
//!
//! Why: whoever builds a server wants to see it under people before people come.
//! Owns: the command line, the file of a mix ([`mix`]), the book that the players' crowd writes ([`book`]), the report ([`report`], and as a page [`page`]), several
//! processes where one may not open enough sockets ([`processes`]).
//! Does not own: what a player does; that is `usher-player`, which the simulator runs too.
//! Invariants: arrivals are open-loop: a slow server makes journeys longer, not arrivals rarer. Success is said
//! only if nobody failed and every delivery was whole.
//! Limits: one process holds as many players as it may open files.
//! Read next: [`run`].
#![forbid(unsafe_code)]

pub mod accounts;
pub mod admin;
pub mod args;
pub mod book;
pub mod chart;
pub mod mix;
pub mod outcome;
pub mod page;
pub mod processes;
pub mod progress;
pub mod report;
pub mod run;

pub use args::SimArgs;
pub use report::Report;
pub use run::main;
