//! What must hold for the demo to be called well done.
//!
//! Why: a demo that cannot fail shows nothing.
//! Owns: the list of checks, and what is watched while the players play. Invariants: every check is made from
//! figures that a server or client-sim gave; none is assumed.
//! Limits: the last connections and claims have [`SETTLE_MAX`] to go.
//! Read next: `demo`.

use crate::chaos::{Chaos, Kill};
use crate::cluster::Cluster;
use crate::journals::Written;
use crate::worker_games::Game;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use usher_client_sim::{Report, admin};
use usher_runtime::clock;
use usher_runtime::config::Kind;

/// How long the cluster may take to come to rest after the last player left.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How long between two looks while it does.
const SETTLE_LOOK: Duration = Duration::from_millis(100);

/// The part of `/api/cluster` that is watched.
#[derive(Clone, Debug, Default, Deserialize)]
struct ClusterSeen {
    players_in_rooms: u64,
    reservations_outstanding: u64,
    servers: Vec<ServerSeen>,
    rooms: Vec<RoomSeen>,
}

#[derive(Clone, Debug, Deserialize)]
struct ServerSeen {
    name: String,
    connections_peak: u64,
    connections_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct RoomSeen {
    population: u64,
}

/// What was seen while the players played.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Somebody pressed Ctrl-C.
    pub(crate) interrupted: bool,
    /// The most players that presence ever had in rooms, and the most by the rooms' own counts.
    in_rooms_peak: (u64, u64),
    /// While the rooms held everybody, login and hall held nobody.
    short_ones_closed: bool,
    /// Each server's most connections, and what it may have.
    connections: BTreeMap<String, (u64, u64)>,
}

fn cluster_seen(cluster: &Cluster) -> Option<ClusterSeen> {
    let manager = cluster.servers.first()?.ready.admin;
    serde_json::from_str(&admin::get(manager, "/api/cluster").ok()?).ok()
}

/// A count of a server's listener, from its metrics; nothing if it has no such listener.
fn counted(page: &str, name: &str, listener: &str) -> Option<u64> {
    let series = format!("{name}{{listener=\"{listener}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series))?.trim().parse().ok()
}

/// The open player connections of a server.
fn connections(server: SocketAddr) -> Option<u64> {
    let page = admin::get(server, "/metrics").ok()?;
    let open = |listener| counted(&page, "usher_connections", listener);
    // Those who come through a gateway are counted by themselves, where there is an inner listener.
    Some(open("players")? + open("carried").unwrap_or(0))
}

/// How many players ever came to halls and room servers by themselves, and how many were carried.
fn ways_in(cluster: &Cluster) -> Option<(u64, u64)> {
    let servers = [Kind::Hall, Kind::Room].into_iter().flat_map(|kind| cluster.of_kind(kind));
    servers.map(|server| server.ready.admin).try_fold((0, 0), |(alone, carried), admin| {
        let page = admin::get(admin, "/metrics").ok()?;
        let opened = |listener| counted(&page, "usher_connections_opened_total", listener);
        Some((alone + opened("players")?, carried + opened("carried")?))
    })
}

fn short_connections(cluster: &Cluster) -> Option<u64> {
    let short = [Kind::Login, Kind::Hall];
    let servers = short.into_iter().flat_map(|kind| cluster.of_kind(kind));
    servers.map(|server| connections(server.ready.admin)).sum()
}

impl Watch {
    /// One look at the cluster, on which `players` are expected.
    pub(crate) fn look(&mut self, cluster: &Cluster, players: u64) {
        let Some(seen) = cluster_seen(cluster) else { return };
        let (by_presence, by_rooms) = &mut self.in_rooms_peak;
        *by_presence = seen.players_in_rooms.max(*by_presence);
        *by_rooms = seen.rooms.iter().map(|room| room.population).sum::<u64>().max(*by_rooms);
        for server in seen.servers {
            let peak = self.connections.entry(server.name).or_default();
            *peak = (peak.0.max(server.connections_peak), server.connections_max);
        }
        if seen.players_in_rooms == players && !self.short_ones_closed {
            self.short_ones_closed = short_connections(cluster) == Some(0);
        }
    }

    /// Whether so many were in rooms at once.
    pub(crate) fn has_seen(&self, players: u64) -> bool {
        self.in_rooms_peak.0 >= players
    }

    /// What was seen of the players so far does not count; of connections it does.
    pub(crate) fn begin_anew(&mut self) {
        (self.in_rooms_peak, self.short_ones_closed) = ((0, 0), false);
    }
}

/// The checks and how they came out.
#[derive(Serialize)]
pub(crate) struct Checks(Vec<Check>);

#[derive(Serialize)]
struct Check {
    what: &'static str,
    holds: bool,
    found: String,
}

impl Checks {
    /// The checks on what the players met and what was seen meanwhile.
    pub(crate) fn of(report: &Report, watch: &Watch) -> Self {
        let delivered = report.delivered;
        let over: Vec<_> = watch.connections.iter().filter(|(_, (peak, max))| peak > max).collect();
        let mut checks = Self(Vec::new());
        checks.add(
            "everyone was seated",
            report.seated == report.players,
            format!("{} of {}", report.seated, report.players),
        );
        checks.add(
            "nobody failed",
            report.failed == 0 && report.errors.is_empty(),
            format!("{} failed", report.failed),
        );
        checks.add(
            "every chat came once, in order",
            report.is_delivered_whole(),
            format!("{} of {} delivered", delivered.received, delivered.expected),
        );
        checks.add(
            "login and hall closed every visit while the rooms were full",
            watch.short_ones_closed,
            if watch.short_ones_closed { "0 open" } else { "not seen" }.into(),
        );
        checks.add(
            "presence equalled the seated",
            watch.in_rooms_peak == (report.seated, report.seated),
            format!(
                "{} in rooms at the peak, {} by the rooms' word",
                watch.in_rooms_peak.0, watch.in_rooms_peak.1
            ),
        );
        checks.add(
            "no server went over its connections_max",
            over.is_empty() && !watch.connections.is_empty(),
            if over.is_empty() {
                format!("{} servers watched", watch.connections.len())
            } else {
                format!("{over:?}")
            },
        );
        if watch.interrupted {
            checks.add("it ran to its end", false, "interrupted".into());
        }
        checks
    }

    fn add(&mut self, what: &'static str, holds: bool, found: String) {
        self.0.push(Check { what, holds, found });
    }

    /// Waits until nobody is left anywhere, and says so.
    pub(crate) fn after_the_last_left(&mut self, cluster: &Cluster) {
        let deadline = clock::instant() + SETTLE_MAX;
        loop {
            let (seen, open) = (cluster_seen(cluster), short_connections(cluster));
            let left = seen.as_ref().map(|seen| (seen.players_in_rooms, seen.reservations_outstanding));
            let settled = left == Some((0, 0)) && open == Some(0);
            if settled || clock::instant() > deadline {
                let found = format!("in rooms and reserved {left:?}, open at login and hall {open:?}");
                let found = if settled { "0 players, 0 reservations, 0 visits".into() } else { found };
                return self.add("afterwards nothing was left", settled, found);
            }
            std::thread::park_timeout(SETTLE_LOOK);
        }
    }

    /// Whoever was killed was back, and then everybody had peace.
    pub(crate) fn chaos(&mut self, chaos: Option<&Chaos>) {
        let kills = chaos.map_or(&[][..], Chaos::kills);
        let holds = !kills.is_empty() && chaos.is_some_and(Chaos::is_over);
        let slowest = kills.iter().filter_map(Kill::whole_s).fold(0.0, f64::max);
        let found = format!("{} killed, whole {slowest:.1} s after the start at the latest", kills.len());
        self.add("whoever was killed came back", holds, found);
    }

    /// Everything that was played is written down, once, and no game failed; each of the workers' games was played. So many
    /// ends of hands were told to players. The servers have ended.
    pub(crate) fn journals(&mut self, read: anyhow::Result<Written>, told: u64, of_workers: &[Game]) {
        let written = match read {
            Ok(written) => written,
            Err(error) => return self.add(WRITTEN, false, format!("{error:#}")),
        };
        let Written { hands, seats, faults, played } = written;
        self.add(WRITTEN, hands > 0 && told <= seats, format!("{hands} hands of {seats} seats, {told} told"));
        self.add("no game failed", faults == 0, format!("{faults} of {hands} hands ended by a fault"));
        if !of_workers.is_empty() {
            let hands = |game: &Game| played.get(&game.id()).copied().unwrap_or(0);
            let found: Vec<_> =
                of_workers.iter().map(|game| format!("{} {}", hands(game), game.name)).collect();
            let holds = of_workers.iter().all(|game| hands(game) > 0);
            self.add("every game of workers was played", holds, found.join(", "));
        }
    }

    /// Where gateways stand before halls and room servers, nobody comes there without one; but where something is killed,
    /// a server's own address is given out until a gateway stands before it again.
    pub(crate) fn through_gateways(&mut self, cluster: &Cluster, is_chaos: bool) {
        let ways = ways_in(cluster);
        let holds = ways.is_some_and(|(alone, carried)| carried > 0 && (alone == 0 || is_chaos));
        let found =
            ways.map_or("not seen".into(), |(alone, carried)| format!("{carried} did, {alone} did not"));
        let what =
            if is_chaos { "players came through gateways" } else { "everybody came through a gateway" };
        self.add(what, holds, found);
    }

    /// The pools of a server that has stopped.
    pub(crate) fn pools(&mut self, name: &str, ended_well: bool, pools: &Value) {
        let balanced = ["contexts", "buffers"].into_iter().all(|pool| {
            let count = |field| pools.get(pool).and_then(|pool| pool.get(field)).and_then(Value::as_u64);
            count("taken").is_some() && count("taken") == count("returned")
        });
        let holds = balanced && ended_well;
        let found = match (holds, pools.is_null()) {
            (true, _) => "taken = returned".into(),
            (false, true) => format!("{name} ended without a word"),
            (false, false) => format!("{name}: {pools}"),
        };
        match self.0.iter_mut().find(|check| check.what == POOLS) {
            Some(check) if holds || !check.holds => {}
            Some(check) => *check = Check { what: POOLS, holds, found },
            None => self.add(POOLS, holds, found),
        }
    }

    /// Whether all of them hold.
    pub(crate) fn all_hold(&self) -> bool {
        self.0.iter().all(|check| check.holds)
    }
}

const POOLS: &str = "every pool of every server got everything back";
/// By their number: which hands a player was told of is not in his report.
const WRITTEN: &str = "hands are written down once, add up, are no fewer than told";

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { what, holds, found } in &self.0 {
            writeln!(f, "  {} {what:<62}{found}", if *holds { "ok  " } else { "FAIL" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker_games::GAMES;
    use usher_proto::GameId;

    /// Whether all checks of journals hold, with those of workers' games or without.
    fn hold(written: &Written, told: u64, of_workers: &[Game]) -> bool {
        let mut checks = Checks(Vec::new());
        checks.journals(Ok(written.clone()), told, of_workers);
        checks.all_hold()
    }

    #[test]
    fn each_game_of_workers_must_have_been_played_and_none_have_failed() {
        let played = GAMES.iter().map(|game| (game.id(), 1)).chain([(GameId(1), 4)]).collect();
        let good = Written { hands: 6, seats: 14, faults: 0, played };
        assert!(hold(&good, 14, GAMES));
        assert!(!hold(&good, 15, GAMES), "more were told than are written down");
        assert!(!hold(&Written { faults: 1, ..good.clone() }, 14, GAMES));
        for game in GAMES {
            let mut played = good.played.clone();
            played.remove(&game.id());
            let without = Written { played, ..good.clone() };
            assert!(!hold(&without, 14, GAMES), "{game:?}");
            assert!(hold(&without, 14, &[]), "nobody was to play it");
        }
        assert!(!hold(&Written::default(), 0, &[]));
    }

    #[test]
    fn journals_that_cannot_be_read_are_no_good() {
        let mut checks = Checks(Vec::new());
        checks.journals(Err(anyhow::anyhow!("hand room/1/0/0/1 is there twice")), 0, &[]);
        assert!(!checks.all_hold() && checks.to_string().contains("is there twice"));
    }
}
