//! The demo's cluster: its configs, written for so many players at such a rate.
//!
//! Why: every port is 0 and every limit follows from the two numbers, so that the demo runs anywhere and its
//! redirects happen by arithmetic.
//! Owns: the folder of configs, and the accounts of the players. Invariants: all players start at login-1 and hall-1,
//! which serve [`FIRST_SHARE`] of the rate; the seconds take everybody; there are seats for a fifth more than come; a
//! server that is started again is where it was. Everybody is on loopback, which is exempt from limits by address.
//! Read next: `demo`.

use crate::account::test_players;
use crate::process::ServerProcess;
use crate::worker_games::{self, GAMES, Game};
use anyhow::Context;
use serde_json::Value;
use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use usher_client_sim::admin;
use usher_runtime::config::Kind;
use usher_runtime::process::children_of;
use usher_secure::scram::ITERATIONS_MIN;
use usher_store::Database;

/// Of the arrivals a second, what the first login and the first hall serve.
pub(crate) const FIRST_SHARE: f64 = 0.6;
/// Before halls and room servers, where there are to be any.
const GATEWAYS: u32 = 2;
/// People in one room.
const ROOM_CAPACITY: u32 = 400;
/// People one room process takes, well below the files a process may open.
const ROOM_SERVER_PLAYERS: u32 = 16_000;

const ACCOUNTS: &str = "accounts.db";
const KEYS: &str = "players.keys";

/// What a cluster is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Where all listen.
    pub(crate) host: Ipv4Addr,
    pub(crate) players: u32,
    /// Arrivals a second.
    pub(crate) rate: f64,
    /// Two gateways before halls and rooms.
    pub(crate) gateways: bool,
    /// Games in workers beside the built-in one.
    pub(crate) workers: bool,
}

/// A running cluster.
pub(crate) struct Cluster {
    folder: PathBuf,
    host: Ipv4Addr,
    /// The manager first, then in the order they were started.
    pub(crate) servers: Vec<ServerProcess>,
    pub(crate) has_gateways: bool,
    /// What is played there by workers of each room server.
    pub(crate) worker_games: &'static [Game],
}

impl Cluster {
    /// Makes an account for each player, then starts one manager, two logins, two halls and as many room servers
    /// as the players need; and gateways and workers, if there are to be any.
    pub(crate) fn start(wanted: Wanted) -> anyhow::Result<Self> {
        let Wanted { host, players, rate, gateways: has_gateways, workers } = wanted;
        let folder = std::env::temp_dir().join(format!("usher-demo-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let worker_games = if workers { GAMES } else { &[] };
        let mut cluster = Self { folder, host, servers: Vec::new(), has_gateways, worker_games };
        let inner = if has_gateways { format!("[inner]\nlisten = \"{host}:0\"\n") } else { String::new() };
        let mut accounts = Database::open_or_create(&cluster.folder.join(ACCOUNTS), ITERATIONS_MIN)?;
        test_players::make(&mut accounts, players, &cluster.keys(), &mut |_| Ok(()))?;
        cluster.add(Kind::Manager, "manager", "", "[manager]\nhalls_order = \"name\"\n")?;
        let manager = format!("manager = \"{}\"\n", cluster.servers[0].ready.address);
        let per_second = |share: f64| {
            let limit = (rate * share).ceil().max(1.0);
            format!("[limits]\nserve_max = 4000\nserve_per_second_max = {limit}\n")
        };
        if workers {
            worker_games::write(&cluster.folder)?;
        }
        let rooms = Rooms::for_players(players, workers);
        for server in 1..=rooms.servers {
            cluster.add(
                Kind::Room,
                &format!("room-{server}"),
                &manager,
                &(inner.clone() + &rooms.sections(rate)),
            )?;
        }
        for (number, share) in [(1, FIRST_SHARE), (2, 2.0)] {
            cluster.add(Kind::Hall, &format!("hall-{number}"), &manager, &(per_second(share) + &inner))?;
        }
        for number in (1..=GATEWAYS).filter(|_| has_gateways) {
            cluster.add(Kind::Gateway, &format!("gateway-{number}"), &manager, &gateway_sections(players))?;
        }
        for (number, share) in [(1, FIRST_SHARE), (2, 2.0)] {
            let sections = format!("{}[login]\naccounts = \"{ACCOUNTS}\"\n", per_second(share));
            cluster.add(Kind::Login, &format!("login-{number}"), &manager, &sections)?;
        }
        Ok(cluster)
    }

    fn add(&mut self, kind: Kind, name: &str, manager: &str, sections: &str) -> anyhow::Result<()> {
        let path = self.folder.join(format!("{name}.toml"));
        let config = |listen: &dyn Display, admin: SocketAddr| {
            format!(
                "kind = \"{}\"\n[server]\nname = \"{name}\"\nlisten = \"{listen}\"\nadmin = \"{admin}\"\n\
                 [cluster]\nname = \"demo\"\nkey_file = \"cluster.key\"\ncreate_key = true\n{manager}\
                 [addresses]\nexempt = [\"127.0.0.0/8\"]\n[log]\nlevel = \"warn\"\n{sections}",
                kind.as_str()
            )
        };
        let write =
            |text: String| fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()));
        let any = SocketAddr::from((self.host, 0));
        write(config(&any, any))?;
        let server = ServerProcess::start(kind, &path)?;
        write(config(&server.ready.address, server.ready.admin))?; // for the next start
        self.servers.push(server);
        Ok(())
    }

    /// Whether every server is ready and the manager sees it up; and whether room servers have their workers, and clients
    /// are sent to halls and room servers by gateways, where there are any.
    pub(crate) fn is_whole(&self) -> bool {
        let is_ready = |server: &ServerProcess| admin::get(server.ready.admin, "/readyz").is_ok();
        self.servers.iter().all(is_ready)
            && self.of_kind(Kind::Room).all(|room| self.has_its_workers(room))
            && self.view().is_some_and(|view| self.is_up_in(&view))
    }

    /// As many as its config says, whether or not they ever were there.
    fn has_its_workers(&self, room: &ServerProcess) -> bool {
        children_of(room.pid()).len() == worker_games::workers(self.worker_games)
    }

    fn view(&self) -> Option<Value> {
        serde_json::from_str(&admin::get(self.servers[0].ready.admin, "/api/cluster").ok()?).ok()
    }

    fn is_up_in(&self, view: &Value) -> bool {
        let Some(seen) = view["servers"].as_array() else { return false };
        let is_up = |server: &ServerProcess| {
            seen.iter().any(|it| it["name"] == *server.ready.name && it["state"] == "up")
        };
        let is_placed = |server: &Value| {
            let behind = ["hall", "room"].iter().any(|kind| server["kind"] == **kind);
            !behind || !server["through"].is_null()
        };
        // A manager does not list itself.
        self.servers[1..].iter().all(is_up) && (!self.has_gateways || seen.iter().all(is_placed))
    }

    /// The servers of a kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &ServerProcess> {
        self.servers.iter().filter(move |server| server.kind == kind)
    }

    /// The keys of the players' accounts.
    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join(KEYS)
    }

    /// Where the demo may keep its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.kill();
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "the demo's files are left behind");
        }
    }
}

/// A gateway may have to take everybody when the other ends.
fn gateway_sections(players: u32) -> String {
    format!("[limits]\nserve_max = {0}\nserve_per_second_max = {0}\n", players.min(ROOM_SERVER_PLAYERS))
}

/// How many rooms on how many servers.
struct Rooms {
    servers: u32,
    /// Of each server.
    gomoku: u32,
    /// Of each server, for each game of workers.
    of_workers: u32,
}

impl Rooms {
    fn for_players(players: u32, has_workers: bool) -> Self {
        let seats = players + players.div_ceil(5);
        let of_workers = if has_workers { worker_games::seats(players) } else { 0 };
        let all = seats + of_workers * GAMES.len() as u32;
        let servers = all.div_ceil(ROOM_SERVER_PLAYERS).max(2);
        let rooms = |seats: u32| seats.div_ceil(servers * ROOM_CAPACITY);
        Self { servers, gomoku: rooms(seats).max(1), of_workers: rooms(of_workers) }
    }

    /// People that each server takes: as many as there are seats, so that whoever finds a room with space is let in.
    fn players(&self) -> u32 {
        (self.gomoku + self.of_workers * GAMES.len() as u32) * ROOM_CAPACITY
    }

    fn sections(&self, rate: f64) -> String {
        let per_second = (rate * 2.0).ceil().max(1.0);
        let of_workers = worker_games::sections(self.of_workers, ROOM_CAPACITY);
        format!(
            "[limits]\nserve_max = {}\nserve_per_second_max = {per_second}\n\
             [[room.rooms]]\nname = \"Gomoku\"\ngame = \"gomoku\"\ncount = {}\ncapacity = {ROOM_CAPACITY}\n{}",
            self.players(),
            self.gomoku,
            if self.of_workers > 0 { &of_workers } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_seat_for_everybody_and_a_fifth_more() {
        for (players, workers) in
            [1, 400, 5_000, 12_000, 60_000].into_iter().flat_map(|it| [(it, false), (it, true)])
        {
            let rooms = Rooms::for_players(players, workers);
            assert!(rooms.servers * rooms.gomoku * ROOM_CAPACITY >= players + players / 5, "{players}");
            let rooms_of_all = 1 + GAMES.len() as u32;
            assert!(rooms.players() <= ROOM_SERVER_PLAYERS + rooms_of_all * ROOM_CAPACITY, "{players}");
            assert_eq!(rooms.of_workers > 0, workers);
        }
    }
}
