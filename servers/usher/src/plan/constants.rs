//! What was measured, when, and where it stands: all that a plan is reckoned from.
//!
//! Why: a plan is as good as its constants, so they stand in one place, each with its source; who measures again
//! changes them here.
//! Limits: one machine (2 cores of an AMD EPYC, virtual, Linux 6.18), servers and players on the same cores.
//! Read next: [`super::sizing`].

/// One number that a bench or a long run said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) what: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// When it was measured, year-month-day, and the page that says how.
    pub(super) date: &'static str,
    pub(super) source: &'static str,
}

const TRUST: &str = "docs/security.md, What it costs";
const ROOMS: &str = "docs/measurements.md, Rooms full of players";
const MANAGER: &str = "docs/layers/4-cluster.md, The manager alone";
const JOURNEY: &str = "docs/measurements.md, A seated player's memory, a journey's CPU";

const TRAFFIC: &str = "a room server's /metrics over 40 s: 200 at Gomoku, 200 at Dou Dizhu, 2 to 6 s to think, a chat in 10 min each";

const fn measured(
    what: &'static str,
    value: f64,
    unit: &'static str,
    date: &'static str,
    source: &'static str,
) -> Measured {
    Measured { what, value, unit, date, source }
}

pub(super) const JOURNEY_CPU: Measured =
    measured("CPU of all servers for a whole way in", 620.0, "us", "2026-11-28", TRUST);
pub(super) const LOGIN_CPU: Measured =
    measured("of it, the login with SCRAM", 219.0, "us", "2026-11-28", TRUST);
pub(super) const REDIRECT_CPU: Measured =
    measured("CPU of a login that only redirects", 62.0, "us", "2026-11-28", TRUST);
pub(super) const PLAYER_CPU: Measured = measured(
    "CPU of a player at a table, 2 to 6 s to think (52.7 s of CPU, 18,000 players, 330 s)",
    8.9,
    "us each second",
    "2026-11-28",
    ROOMS,
);
pub(super) const PLAYER_MEMORY: Measured = measured(
    "user memory of a seated player with a hand in play (71.1 MiB, 18,000 players, less an empty server)",
    3.53,
    "KiB",
    "2026-11-28",
    ROOMS,
);
pub(super) const EMPTY_SERVER: Measured =
    measured("resident memory of a server with nobody inside", 9.2, "MiB", "2026-11-22", JOURNEY);
pub(super) const SOCKET_MEMORY: Measured = measured(
    "kernel memory of one end of a connection (half of a loopback connection's)",
    4.7,
    "KiB",
    "2026-11-22",
    JOURNEY,
);
pub(super) const ARBITRATION_CPU: Measured =
    measured("CPU of the manager for an arbitration (593,000 a second)", 1.7, "us", "2026-11-29", MANAGER);
pub(super) const PRESENCE_MEMORY: Measured = measured(
    "memory of the manager for an online player, at most, right after its tables grew",
    149.0,
    "bytes",
    "2026-11-29",
    MANAGER,
);
pub(super) const BYTES_OUT: Measured = measured(
    "sent to a player at a table, sealed, without TCP and IP",
    44.3,
    "bytes each second",
    "2026-11-29",
    TRAFFIC,
);
pub(super) const BYTES_IN: Measured =
    measured("received from it", 3.0, "bytes each second", "2026-11-29", TRAFFIC);
pub(super) const PACKETS_OUT: Measured =
    measured("messages sent to it", 0.80, "each second", "2026-11-29", TRAFFIC);
pub(super) const PACKETS_IN: Measured =
    measured("messages received from it", 0.11, "each second", "2026-11-29", TRAFFIC);

/// All of them, for `--json` and the foot of the table.
pub(super) const ALL: [Measured; 13] = [
    JOURNEY_CPU,
    LOGIN_CPU,
    REDIRECT_CPU,
    PLAYER_CPU,
    PLAYER_MEMORY,
    EMPTY_SERVER,
    SOCKET_MEMORY,
    ARBITRATION_CPU,
    PRESENCE_MEMORY,
    BYTES_OUT,
    BYTES_IN,
    PACKETS_OUT,
    PACKETS_IN,
];
