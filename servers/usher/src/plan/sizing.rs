//! So many players: so many servers, cores, memory, bytes.
//!
//! Why: plain arithmetic, so that whoever doubts the answer can do it on paper.
//! Owns: the wish, the rates it means, the answer. Does not own: whether it holds (`trial.rs` tries it).
//! Invariants: one more server of each kind than the peak needs, so that one may fail or be emptied; logins and
//! halls are planned at [`SERVED_SHARE`] of what half of a core does.
//! Limits: one manager, for that is what there is.
//! Read next: [`super::constants`].

use super::constants::{
    ARBITRATION_CPU, BYTES_IN, BYTES_OUT, EMPTY_SERVER, JOURNEY_CPU, LOGIN_CPU, Measured, PACKETS_IN,
    PACKETS_OUT, PLAYER_CPU, PLAYER_MEMORY, PRESENCE_MEMORY, REDIRECT_CPU, SOCKET_MEMORY,
};
use serde::Serialize;

/// Of a core, what a login or hall server is given: the rest is the kernel's, and for worse days.
const CORE_SHARE: f64 = 0.5;
/// Of what it then serves in a second, what the plan counts on at the peak.
const SERVED_SHARE: f64 = 0.8;
/// A visit to a login or hall takes so long at the most that is planned for, seconds.
const VISIT_S: f64 = 1.0;
/// IP and TCP with time stamps, before each message and for each acknowledgement.
const HEADER_BYTES: f64 = 52.0;
/// Of an evening's players, those that come in its busiest third of the ramp.
pub(super) const BUSY_SHARE: f64 = 0.6;

/// What is wished for.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Wished {
    pub(super) players: u32,
    pub(super) room_capacity: u32,
    pub(super) ramp_minutes: u32,
    pub(super) storm_minutes: u32,
    pub(super) spike: u32,
    pub(super) refresh_minutes: u32,
}

/// Ways in that begin in a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rates {
    pub(super) ramp_mean: f64,
    pub(super) ramp_peak: f64,
    pub(super) storm: f64,
    pub(super) spike: f64,
    /// Players at a table who fetch a fresh directory.
    pub(super) refreshes: f64,
}

/// The servers of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Servers {
    pub(super) kind: &'static str,
    pub(super) count: u32,
    /// What each serves at once, and begins to serve in a second, before it redirects.
    pub(super) serve_max: u32,
    pub(super) serve_per_second_max: u32,
    /// Of all of them, at the peak.
    pub(super) cores: f64,
    /// Of each: its own memory and the kernel's for its connections.
    pub(super) memory_mib: f64,
    /// Of all of them, megabits a second.
    pub(super) out_mbit: f64,
    pub(super) in_mbit: f64,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sizing {
    pub(super) wished: Wished,
    pub(super) rates: Rates,
    /// Manager, logins, halls, rooms.
    pub(super) servers: [Servers; 4],
}

impl Rates {
    fn of(wished: &Wished) -> Self {
        let players = f64::from(wished.players);
        let ramp_mean = players / (60.0 * f64::from(wished.ramp_minutes));
        Self {
            ramp_mean,
            ramp_peak: 3.0 * BUSY_SHARE * ramp_mean,
            storm: players / (60.0 * f64::from(wished.storm_minutes)),
            spike: f64::from(wished.spike) * ramp_mean,
            refreshes: players / (60.0 * f64::from(wished.refresh_minutes)),
        }
    }

    /// The most that begin in a second.
    pub(super) fn peak(&self) -> f64 {
        self.ramp_peak.max(self.storm).max(self.spike)
    }
}

/// Hall and room share what the login leaves of a way in; nobody has measured them apart.
fn half_of_the_rest() -> f64 {
    (JOURNEY_CPU.value - LOGIN_CPU.value) / 2.0
}

impl Sizing {
    pub(super) fn of(wished: Wished) -> Self {
        let rates = Rates::of(&wished);
        let peak = rates.peak();
        let servers = [
            manager(&wished, peak),
            // Whoever comes may have asked another login first.
            visits("login", peak, LOGIN_CPU.value, REDIRECT_CPU.value),
            visits("hall", peak + rates.refreshes, half_of_the_rest(), REDIRECT_CPU.value),
            rooms(&wished, peak),
        ];
        Self { wished, rates, servers }
    }

    /// Logins, halls and rooms.
    pub(super) fn fronts(&self) -> [&Servers; 3] {
        let [_, login, hall, room] = &self.servers;
        [login, hall, room]
    }
}

fn manager(wished: &Wished, peak: f64) -> Servers {
    // Of each way in: two arbitrations and a claim, and later a release, each about as dear.
    let cores = peak * 4.0 * ARBITRATION_CPU.value / 1e6;
    let presence_mib = f64::from(wished.players) * PRESENCE_MEMORY.value / (1024.0 * 1024.0);
    Servers {
        kind: "manager",
        count: 1,
        serve_max: 0,
        serve_per_second_max: 0,
        cores,
        memory_mib: EMPTY_SERVER.value + presence_mib,
        out_mbit: 0.0,
        in_mbit: 0.0,
    }
}

/// Servers that are only visited.
fn visits(kind: &'static str, rate: f64, cpu_us: f64, redirect_us: f64) -> Servers {
    let each = CORE_SHARE * 1e6 / cpu_us;
    let count = (rate / (each * SERVED_SHARE)).ceil().max(1.0) as u32 + 1;
    let at_once = (each * VISIT_S).ceil();
    Servers {
        kind,
        count,
        serve_max: at_once as u32,
        serve_per_second_max: each as u32,
        cores: rate * (cpu_us + redirect_us) / 1e6,
        memory_mib: EMPTY_SERVER.value + connections_mib(at_once, &PLAYER_MEMORY),
        out_mbit: 0.0,
        in_mbit: 0.0,
    }
}

fn rooms(wished: &Wished, peak: f64) -> Servers {
    let players = f64::from(wished.players);
    let count = wished.players.div_ceil(wished.room_capacity) + 1;
    let capacity = f64::from(wished.room_capacity);
    // Whatever comes one way is acknowledged the other.
    let headers = HEADER_BYTES * (PACKETS_OUT.value + PACKETS_IN.value);
    let mbit = |each: Measured| players * (each.value + headers) * 8.0 / 1e6;
    Servers {
        kind: "room",
        count,
        serve_max: wished.room_capacity,
        serve_per_second_max: (CORE_SHARE * 1e6 / half_of_the_rest()) as u32,
        cores: (players * PLAYER_CPU.value + peak * half_of_the_rest()) / 1e6,
        memory_mib: EMPTY_SERVER.value + connections_mib(capacity, &PLAYER_MEMORY),
        out_mbit: mbit(BYTES_OUT),
        in_mbit: mbit(BYTES_IN),
    }
}

fn connections_mib(connections: f64, each: &Measured) -> f64 {
    connections * (each.value + SOCKET_MEMORY.value) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISHED: Wished = Wished {
        players: 1_500_000,
        room_capacity: 20_000,
        ramp_minutes: 60,
        storm_minutes: 5,
        spike: 10,
        refresh_minutes: 30,
    };

    #[test]
    fn the_published_sum_and_one_to_spare() {
        let [manager, _, _, rooms] = Sizing::of(WISHED).servers;
        assert_eq!((manager.count, rooms.count), (1, 76));
        let fewer = Sizing::of(Wished { players: 20_000, ..WISHED });
        assert_eq!(fewer.servers[3].count, 2);
        let one_more = Sizing::of(Wished { players: 20_001, ..WISHED });
        assert_eq!(one_more.servers[3].count, 3);
    }

    #[test]
    fn the_storm_and_the_spike_ask_for_logins_and_the_capacity_for_rooms() {
        let calm = Sizing::of(Wished { storm_minutes: 60, spike: 1, ..WISHED });
        for stormy in [Wished { storm_minutes: 1, ..WISHED }, Wished { spike: 100, ..WISHED }] {
            let stormy = Sizing::of(stormy);
            assert!(stormy.servers[1].count > calm.servers[1].count, "{stormy:?}");
            assert_eq!(stormy.servers[3].count, calm.servers[3].count);
        }
        let small = Sizing::of(Wished { room_capacity: 1_000, ..WISHED });
        assert_eq!(small.servers[3].count, 1_501);
    }

    #[test]
    fn logins_but_one_serve_the_peak_below_their_limit() {
        let sizing = Sizing::of(WISHED);
        assert!((sizing.rates.storm - 5_000.0).abs() < 1e-6);
        let login = sizing.servers[1];
        let without_one = f64::from(login.count - 1) * f64::from(login.serve_per_second_max);
        assert!(without_one * 0.8 >= sizing.rates.peak() * 0.99, "{login:?}");
    }
}
