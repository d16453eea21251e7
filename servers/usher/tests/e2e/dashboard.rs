//! The dashboard and its stream as a program meets them; what a browser makes of them is in `outside/dashboard.rs`.
//!
//! Read next: `crates/runtime/src/admin/events.rs`.

use crate::cluster::{Cluster, TOKEN};
use crate::page::{PATIENCE, cluster, is_up, until, until_up};
use crate::wire::seat_guest;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;

/// As many as may listen.
const LISTENERS_MAX: usize = 16;

/// Posts without a body; the status.
fn post(admin: SocketAddr, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = ureq::post(format!("http://{admin}{path}")).config().http_status_as_error(false).build();
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send_empty().unwrap().status().as_u16()
}

/// One open stream of events.
struct Listener(Lines<BufReader<Box<dyn Read>>>);

impl Listener {
    /// Or the status it was refused with.
    fn open(admin: SocketAddr) -> Result<Self, u16> {
        let request = ureq::get(format!("http://{admin}/api/events"));
        let request = request.config().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        let answer = request.call().unwrap();
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(status);
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let reader: Box<dyn Read> = Box::new(answer.into_body().into_reader());
        Ok(Self(BufReader::new(reader).lines()))
    }

    /// The next event: its name, and what it holds.
    fn next(&mut self) -> (String, Value) {
        let mut line = || self.0.next().expect("the stream goes on").unwrap();
        let (name, data, end) = (line(), line(), line());
        assert_eq!(end, "", "an event ends with an empty line");
        let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{data}"));
        (name.strip_prefix("event: ").unwrap().into(), serde_json::from_str(data).unwrap())
    }
}

#[test]
fn the_page_is_there_and_says_what_browsers_may_do_with_it() {
    let servers = Cluster::one_of_each();
    let get = |name: &str, path: &str| {
        let request = ureq::get(format!("http://{}{path}", servers.admin(name)));
        request.config().http_status_as_error(false).build().call().unwrap()
    };
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/dashboard/main.js", "text/javascript; charset=utf-8"),
        ("/dashboard/dashboard.css", "text/css; charset=utf-8"),
    ] {
        let page = get("manager", path);
        assert_eq!((page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()), (200, kind));
    }
    for path in ["/", "/api/cluster", "/api/events", "/metrics", "/nowhere"] {
        let answer = get("manager", path);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for rule in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]
        {
            assert!(policy.contains(rule), "{path}: no {rule} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
    for path in ["/", "/api/events"] {
        assert_eq!(get("hall", path).status(), 404, "a manager's alone");
    }
}

#[test]
fn the_stream_says_what_was_and_then_what_is_to_so_many_and_no_more() {
    let servers = Cluster::one_of_each();
    let manager = servers.admin("manager");
    let _seated = seat_guest(servers.address("login"));
    let samples = until("two samples of a history that nobody listened to, with the guest", || {
        let (name, history) = Listener::open(manager).ok()?.next();
        assert_eq!(name, "history");
        let samples = history.as_array()?.clone();
        let is_guest = |sample: &&Value| sample["players_online"] == 1 && sample["claims_granted"] == 1;
        (samples.iter().filter(is_guest).count() >= 2).then_some(samples)
    });
    assert!(samples.is_sorted_by(|one, other| one["unix_ms"].as_u64() < other["unix_ms"].as_u64()));

    let mut listeners = Vec::new();
    until("everybody who may listen does", || {
        listeners.extend(Listener::open(manager));
        (listeners.len() == LISTENERS_MAX).then_some(())
    });
    assert_eq!(Listener::open(manager).err(), Some(503));
    for listener in &mut listeners {
        assert_eq!(listener.next().0, "history");
        let (name, view) = listener.next();
        assert_eq!((name.as_str(), &view["players_online"]), ("cluster", &1.into()));
        assert_eq!(view["servers"][0]["kind"], "manager");
    }
    let mut listener = listeners.pop().unwrap();
    until("the stream and the cluster agree", || {
        let ((_, told), mut asked) = (listener.next(), cluster(manager)?);
        if told["unix_ms"] != asked["unix_ms"] {
            return None;
        }
        asked["servers"][0] = told["servers"][0].clone(); // the manager's own numbers are of the moment
        assert_eq!(told, asked);
        Some(())
    });
    drop((listener, listeners));
    until("who left makes room", || Listener::open(manager).ok());
}

#[test]
fn a_page_of_another_origin_drains_nobody() {
    let servers = Cluster::one_of_each();
    let manager = servers.admin("manager");
    until_up(manager, "hall");
    let own = format!("http://{manager}");
    for foreign in ["http://evil.example", "null", "http://127.0.0.1:1", &own.replace("http", "https")] {
        assert_eq!(post(manager, "/api/drain/hall", &[("Origin", foreign)]), 403, "{foreign}");
    }
    assert_eq!(post(manager, "/api/drain/hall", &[("Host", "evil.example")]), 403, "a name that leads here");
    assert_eq!(is_up(manager, "hall"), Some(true));
    assert_eq!(post(manager, "/api/drain/hall", &[("Origin", &own)]), 200);
    until("it drains", || (!is_up(manager, "hall")?).then_some(()));
}

#[test]
fn off_loopback_nothing_is_posted_without_the_token() {
    let posts = ["/api/drain/hall", "/api/evict/7"];
    let with = |token: &str| format!("Bearer {token}");
    let everywhere = "admin = \"0.0.0.0:0\"\n";

    let without_token = Cluster::managed(everywhere);
    let manager = reached(without_token.admin("manager"));
    until_up(manager, "hall");
    for path in posts {
        assert_eq!(post(manager, path, &[]), 401, "{path}");
        assert_eq!(
            post(manager, path, &[("Authorization", &with(TOKEN))]),
            401,
            "{path}: there is no token to show"
        );
    }
    assert_eq!(is_up(manager, "hall"), Some(true));

    let with_token = Cluster::managed(&format!("{everywhere}admin_token_file = \"admin.token\"\n"));
    let manager = reached(with_token.admin("manager"));
    until_up(manager, "hall");
    for path in posts {
        for wrong in ["", "Bearer", "Bearer ", &with("seven times eight"), TOKEN, &with(&TOKEN[1..])] {
            assert_eq!(post(manager, path, &[("Authorization", wrong)]), 401, "{path}: `{wrong}`");
        }
    }
    assert_eq!(is_up(manager, "hall"), Some(true));
    for path in posts {
        assert_eq!(post(manager, path, &[("Authorization", &with(TOKEN))]), 200, "{path}");
    }
    until("it drains", || (!is_up(manager, "hall")?).then_some(()));
}

/// Where a wildcard is reached from this machine.
fn reached(wildcard: SocketAddr) -> SocketAddr {
    assert!(wildcard.ip().is_unspecified());
    SocketAddr::from(([127, 0, 0, 1], wildcard.port()))
}
