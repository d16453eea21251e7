//! What can go wrong in a run.
//!
//! Why: a fault is a line of a plan, so that a test names it and a seed draws it.
//! Owns: the kinds of faults. Does not own: what each does (`world/faults.rs`), which a seed draws (`random.rs`).
//! Invariant: a fault that lasts ends by itself; only who crashed waits for its restart.
//! Read next: `world/faults.rs`.

use std::time::Duration;
use usher_proto::ServerName;

/// What goes wrong. Servers go by their names, players by `crowd-` and their number in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is no more; its connections end.
    Crash(ServerName),
    /// Another process of that name starts, if it is down.
    Restart(ServerName),
    /// The server is to be emptied, by SIGTERM; its process ends when that is done.
    Drain(ServerName),
    /// The same by the manager's order.
    OrderDrain(ServerName),
    /// The wall clock of that name's next process is so many milliseconds ahead of the true one, or behind it.
    Skew(ServerName, i64),
    /// The process stands still for so long: its clock goes on, what comes to it waits.
    Stop(ServerName, Duration),
    /// For so long each of its steps takes so much longer.
    Slow {
        /// Who.
        name: ServerName,
        /// Time for a step.
        step: Duration,
        /// How long.
        lasts: Duration,
    },
    /// For so long whatever it says and hears may take up to `delay_max`.
    Lag {
        /// Who.
        name: ServerName,
        /// The longest.
        delay_max: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Nothing passes between the two sides for so long. Then what was said meanwhile arrives, or, where `breaks`, the
    /// connections on which something was said are over.
    Partition {
        /// These,
        one: Vec<ServerName>,
        /// and those.
        other: Vec<ServerName>,
        /// How long.
        lasts: Duration,
        /// Whether connections break of it.
        breaks: bool,
    },
    /// The server's link to its manager breaks; it calls again.
    CutLink(ServerName),
    /// The connection of a gateway to a server breaks, and with it everybody's who comes to that server through it.
    CutTrunk {
        /// The gateway.
        gateway: ServerName,
        /// The server.
        server: ServerName,
    },
    /// So many of a thousand players' connections to the server end, on both sides; who they hit is chance.
    CutPlayers(ServerName, u32),
    /// Somebody who recorded players' first frames at room servers sends so many of them to the server, again.
    Replay(ServerName, u32),
    /// For so long somebody sends each first frame that is said to the server once more, right after.
    Echo(ServerName, Duration),
}
