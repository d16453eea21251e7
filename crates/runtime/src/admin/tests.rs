//! Whose a page is, what becomes of who does not read it, and which servers are drained.

use super::*;
use crate::clock;
use futures_util::future::join;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread::park_timeout;
use usher_proto::WorldId;

/// A page that has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(20);

fn node(name: &str) -> NodeConfig {
    NodeConfig {
        kind: ServerKind::Manager,
        name: name.into(),
        world: WorldId(1),
        address: "127.0.0.1:7000".into(),
        inner: "".into(),
        started_unix_ms: 0,
        serve_max: 1,
        serve_per_second_max: 1,
        connections_max: 1,
        redirects_max: 0,
        busy_retry: Duration::ZERO,
        reservations_per_address_max: 0,
        reservation_ttl: Duration::ZERO,
        lease: Duration::ZERO,
    }
}

fn manager(name: &str) -> AdminState {
    AdminState {
        metrics: Box::new(Metrics::default),
        shown: Arc::default(),
        node: Some(node(name)),
        needs_nobody: true,
        draining: AtomicBool::new(false),
        drain: Some(Box::new(|_| true)),
        revoke: None,
        announce: None,
        reload_workers: None,
        token: None,
    }
}

#[test]
fn a_page_is_ours_by_its_number_and_not_by_another_name() {
    let cases = [
        ("127.0.0.1:9000", "127.0.0.1:9000", true),
        ("127.0.0.1:9000", "localhost:9000", true),
        ("127.0.0.1:9000", "localhost:9001", false),
        ("127.0.0.1:9000", "10.0.0.7:9000", false),
        ("127.0.0.1:9000", "evil.example:9000", false),
        ("0.0.0.0:9000", "10.0.0.7:9000", true),
        ("0.0.0.0:9000", "10.0.0.7:9001", false),
        ("0.0.0.0:9000", "evil.example:9000", false),
        ("[::]:9000", "[fd00::7]:9000", true),
    ];
    for (bound, name, ours) in cases {
        assert_eq!(is_own_name(name, bound.parse().unwrap()), ours, "{name} at {bound}");
    }
}

/// Asks for the stream of events; how it is answered, and the rest, unread.
fn open_stream(admin: SocketAddr) -> (String, BufReader<TcpStream>) {
    let mut page = TcpStream::connect(admin).unwrap();
    page.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(page, "GET /api/events HTTP/1.1\r\nHost: {admin}\r\n\r\n").unwrap();
    let mut page = BufReader::new(page);
    let mut status = String::new();
    page.read_line(&mut status).unwrap();
    (status, page)
}

#[test]
fn who_has_stopped_reading_loses_the_place_at_the_stream() {
    let anywhere = "127.0.0.1:0".parse().unwrap();
    // One event alone is more than the kernel keeps for both sides.
    let state = Arc::new(manager(&"m".repeat(1 << 20)));
    let admin = serve(listen(anywhere, Duration::from_millis(100)).unwrap(), state).unwrap();
    let stalled: Vec<_> = (0..events::LISTENERS_MAX).map(|_| open_stream(admin)).collect();
    assert!(stalled.iter().all(|(status, _)| status.starts_with("HTTP/1.1 200")), "{:?}", stalled[0].0);
    let deadline = clock::instant() + PATIENCE;
    while !open_stream(admin).0.starts_with("HTTP/1.1 200") {
        assert!(clock::instant() < deadline, "nobody who stalled was cut off within {PATIENCE:?}");
        park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_is_not_shown_yet_is_drained_all_the_same() {
    let state = Arc::new(manager("manager"));
    let shown = state.own_view(&node("room-1"));
    let order = |name: &str| drain(State(Arc::clone(&state)), Path(name.into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let statuses = runtime.block_on(async {
        // Asked for first; shown while that waits.
        let show = async { state.shown.show(ClusterView { servers: vec![shown], ..ClusterView::default() }) };
        let orders = async { (join(order("room-1"), show).await.0, order("nobody").await) };
        let (known, unknown) = time::timeout(PATIENCE, orders).await.expect("each order is answered");
        (known.status(), unknown.status())
    });
    assert_eq!(statuses, (StatusCode::OK, StatusCode::NOT_FOUND));
}
