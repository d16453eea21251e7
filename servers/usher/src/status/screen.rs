//! What `usher status` shows, as text.
//!
//! Why: the same lines on a terminal, in a pipe and in a test; a screen is a function of one look, and of the one before.
//! Invariants: plain text without colours; a count becomes a rate only between two looks at the same manager, so one that
//! has begun anew shows none.
//! Limits: where the window is too low, the last lines give way to a word about it.
//! Read next: `cluster.rs`.

use super::cluster::{Cluster, Room, Server};
use ratatui::text::{Line, Text};
use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Instant;

/// Kinds in the order of a player's way.
const KINDS: [&str; 5] = ["manager", "login", "gateway", "hall", "room"];
const BAR_WIDTH: usize = 20;
/// Rooms by how full they are: what it is called, and up to which share of the places, in percent.
const FILLS: [(&str, u64); 6] =
    [("empty", 0), ("to 24 %", 24), ("to 49 %", 49), ("to 74 %", 74), ("to 99 %", 99), ("full", 100)];

/// One look.
pub(super) struct Seen<'a> {
    pub(super) at: Instant,
    pub(super) cluster: &'a Cluster,
}

/// All of it.
pub(super) fn text(manager: SocketAddr, seen: &Seen<'_>, before: Option<&Seen<'_>>) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, manager, seen, before);
    out
}

fn write(out: &mut String, manager: SocketAddr, seen: &Seen<'_>, before: Option<&Seen<'_>>) -> fmt::Result {
    let cluster = seen.cluster;
    let suspects = cluster.servers.iter().filter(|server| server.state == "suspect").count();
    let state = match suspects {
        0 => "all well".into(),
        count => format!("{count} SUSPECT"),
    };
    writeln!(out, "  cluster at {manager}: {} servers, {state}\n", cluster.servers.len())?;
    servers(out, seen, before)?;
    writeln!(out)?;
    players(out, seen, before)?;
    writeln!(out)?;
    rooms(out, &cluster.rooms)
}

fn servers(out: &mut String, seen: &Seen<'_>, before: Option<&Seen<'_>>) -> fmt::Result {
    writeln!(
        out,
        "  {:<8}{:<18}{:<10}{:<width$}{:>13}{:>12}{:>11}",
        "kind",
        "server",
        "state",
        "load",
        "connections",
        "cpu",
        "memory",
        width = BAR_WIDTH + 7,
    )?;
    let mut servers: Vec<_> = seen.cluster.servers.iter().collect();
    let place = |kind: &str| KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len());
    servers.sort_by_key(|server| (place(&server.kind), server.name.as_str()));
    for server in servers {
        let load = percent(server.serving.into(), server.serve_max.into());
        let mark = if server.state == "suspect" { '!' } else { ' ' };
        writeln!(
            out,
            "{mark} {:<8}{:<18}{:<10}{} {load:>3} % {:>13}{:>12}{:>7.1} MiB",
            server.kind,
            server.name,
            server.state,
            bar(load, BAR_WIDTH),
            format!("{} / {}", server.connections, server.connections_max),
            cpu(server, seen, before),
            server.rss_kib as f64 / 1024.0,
        )?;
    }
    Ok(())
}

/// Of a core since the look before; without one, all it ever used.
fn cpu(server: &Server, seen: &Seen<'_>, before: Option<&Seen<'_>>) -> String {
    let earlier = before.and_then(|before| {
        let same = before.cluster.servers.iter().find(|it| it.name == server.name)?;
        let used_ms = server.cpu_ms.checked_sub(same.cpu_ms)?;
        Some(used_ms as f64 / 10.0 / (seen.at - before.at).as_secs_f64())
    });
    match earlier {
        Some(share) => format!("{share:.1} %"),
        None => format!("{:.1} s", server.cpu_ms as f64 / 1000.0),
    }
}

fn players(out: &mut String, seen: &Seen<'_>, before: Option<&Seen<'_>>) -> fmt::Result {
    let counted = |what: &str, of: fn(&Cluster) -> u64| {
        let count = of(seen.cluster);
        let rate = before.and_then(|before| {
            let more = count.checked_sub(of(before.cluster))?;
            Some(rate(more as f64, seen, before))
        });
        format!("{what} {count}{}", rate.unwrap_or_default())
    };
    let Cluster { players_online, players_in_rooms, reservations_outstanding, .. } = seen.cluster;
    let change = before
        .map(|before| rate(*players_online as f64 - before.cluster.players_online as f64, seen, before));
    writeln!(
        out,
        "  players    {players_online} online{}, {players_in_rooms} places in rooms",
        change.unwrap_or_default()
    )?;
    writeln!(
        out,
        "  redirects  {}, {}, {reservations_outstanding} on their way",
        counted("login", |it| it.redirects_login),
        counted("hall", |it| it.redirects_hall)
    )?;
    writeln!(
        out,
        "  orders     {}, {}",
        counted("evictions", |it| it.evictions),
        counted("claims denied", |it| it.claims_denied)
    )
}

/// So many more, a second.
fn rate(more: f64, seen: &Seen<'_>, before: &Seen<'_>) -> String {
    format!("  {:+.0}/s", more / (seen.at - before.at).as_secs_f64())
}

fn rooms(out: &mut String, rooms: &[Room]) -> fmt::Result {
    let sum = |of: fn(&Room) -> u64| rooms.iter().map(of).sum::<u64>();
    let (population, capacity) = (sum(|it| it.population), sum(|it| it.capacity));
    writeln!(out, "  rooms      {}: {population} of {capacity} places taken", rooms.len())?;
    let mut counts = [0; FILLS.len()];
    for room in rooms {
        counts[fill(room)] += 1;
    }
    for ((name, _), count) in FILLS.iter().zip(counts) {
        let bar = bar(percent(count, rooms.len() as u64), BAR_WIDTH);
        writeln!(out, "    {name:<9}{bar} {count:>5}")?;
    }
    Ok(())
}

/// Which of [`FILLS`] a room belongs to: empty and full are exactly that.
fn fill(room: &Room) -> usize {
    let share = match room {
        Room { population: 0, .. } => 0,
        Room { population, capacity } if population >= capacity => 100,
        Room { population, capacity } => percent(*population, *capacity).clamp(1, 99),
    };
    FILLS.iter().position(|(_, up_to)| share <= *up_to).unwrap_or(FILLS.len() - 1)
}

/// Rounded down; more than everything is everything.
fn percent(part: u64, of: u64) -> u64 {
    (part * 100).checked_div(of).unwrap_or_default().min(100)
}

/// What is there is never drawn as nothing.
fn bar(percent: u64, width: usize) -> String {
    let filled = (percent as usize * width).div_ceil(100);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(width - filled))
}

/// As much of it as a window of this height shows.
pub(super) fn fitted(text: &str, height: u16) -> Text<'_> {
    let lines: Vec<_> = text.lines().collect();
    let height = usize::from(height).max(1);
    if lines.len() <= height {
        return lines.into_iter().map(Line::raw).collect();
    }
    let hidden = lines.len() - (height - 1);
    let shown = lines.into_iter().take(height - 1).map(Line::raw);
    shown.chain([Line::raw(format!("  ... {hidden} lines more in a higher window"))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use usher_runtime::clock;

    fn server(kind: &str, name: &str, state: &str, serving: u32, cpu_ms: u64) -> Server {
        Server {
            name: name.into(),
            kind: kind.into(),
            state: state.into(),
            serving,
            serve_max: 400,
            connections: serving + 1,
            connections_max: 500,
            cpu_ms,
            rss_kib: 10_240,
        }
    }

    fn cluster(redirects_login: u64, cpu_ms: u64) -> Cluster {
        Cluster {
            servers: vec![
                server("room", "room-1", "up", 100, cpu_ms),
                server("login", "login-1", "suspect", 0, 0),
                server("manager", "manager", "up", 2, 7),
            ],
            players_online: redirects_login + 30,
            players_in_rooms: 40,
            redirects_login,
            rooms: [(0, 400), (1, 400), (100, 400), (399, 400), (400, 400), (0, 0)]
                .map(|(population, capacity)| Room { population, capacity })
                .into(),
            ..Cluster::default()
        }
    }

    const MANAGER: ([u8; 4], u16) = ([127, 0, 0, 1], 7090);

    #[test]
    fn one_look_shows_servers_by_kind_people_and_rooms_by_fill() {
        let at = clock::instant();
        let shown = text(MANAGER.into(), &Seen { at, cluster: &cluster(70, 12_300) }, None);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "  cluster at 127.0.0.1:7090: 3 servers, 1 SUSPECT");
        let line = |start: &str| {
            let at = lines.iter().position(|line| line.starts_with(start));
            at.unwrap_or_else(|| panic!("no {start} in\n{shown}"))
        };
        assert!(line("  manager") < line("! login") && line("! login") < line("  room "));
        let room = lines[line("  room ")].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(room, "room room-1 up [#####...............] 25 % 101 / 500 12.3 s 10.0 MiB");
        assert_eq!(lines[line("  players")], "  players    100 online, 40 places in rooms");
        assert_eq!(lines[line("  redirects")], "  redirects  login 70, hall 0, 0 on their way");
        assert_eq!(lines[line("  rooms")], "  rooms      6: 900 of 2000 places taken");
        let counts = lines[line("  rooms") + 1..].iter().map(|line| line.split_whitespace().last().unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), ["2", "1", "1", "0", "1", "1"]);
    }

    #[test]
    fn two_looks_show_what_happened_between_them() {
        let at = clock::instant();
        let (before, now) = (cluster(70, 12_000), cluster(90, 12_500));
        let before = Seen { at, cluster: &before };
        let shown =
            text(MANAGER.into(), &Seen { at: at + Duration::from_secs(2), cluster: &now }, Some(&before));
        assert!(shown.contains(" 25.0 %") && shown.contains("login 90  +10/s, hall 0  +0/s"), "{shown}");
        assert!(shown.contains("120 online  +10/s"), "{shown}");
        let anew = cluster(3, 100);
        let shown =
            text(MANAGER.into(), &Seen { at: at + Duration::from_secs(2), cluster: &anew }, Some(&before));
        assert!(shown.contains("login 3,") && shown.contains(" 0.1 s"), "a manager that began anew\n{shown}");
    }

    #[test]
    fn an_empty_cluster_and_a_low_window_are_shown_too() {
        let at = clock::instant();
        let shown = text(MANAGER.into(), &Seen { at, cluster: &Cluster::default() }, None);
        assert!(shown.contains("0 servers, all well") && shown.contains("0: 0 of 0 places"), "{shown}");
        let fitted = fitted(&shown, 4).to_string();
        assert_eq!(fitted.lines().count(), 4);
        assert!(fitted.ends_with("lines more in a higher window"), "{fitted}");
    }
}
