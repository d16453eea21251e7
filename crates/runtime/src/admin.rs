//! The admin port: `/healthz`, `/readyz`, `/metrics`, and on a manager the dashboard (`/`), `/api/cluster`, `/api/events`
//! and `POST` `/api/drain/{server}`, `/api/evict/{account}` and `/api/announce`; where there are workers, `POST`
//! `/api/workers/reload`.
//!
//! Why: operators, load balancers and tests ask a server how it is, on a port that players never see.
//! Owns: one thread with a single-threaded tokio runtime; the only one in a server.
//! Invariants: loopback unless the config says otherwise; a request whose `Host` is not this listener's own
//! name or whose `Origin` is another page's is refused, so that no web page can read it from a browser. Off loopback
//! nothing is changed without the token of `server.admin_token_file`.
//! Limits: the answers are small and made when asked for; the stream of events has its own. Who takes nothing of what is
//! sent for `UNREAD_MAX` is cut off.
//! Read next: [`crate::metrics`]; `admin/events.rs`, `admin/dashboard.rs`.

mod dashboard;
mod events;
mod history;

use crate::announcement;
use crate::metrics::{Format, Shown, render};
use crate::process;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time;
use usher_hpserver::{Metrics, Remote, Service, completion};
use usher_proto::machine::{ClusterView, ServerView};
use usher_proto::{AccountId, NodeConfig, ServerKind, ServerName};
use zeroize::Zeroizing;

/// What the kernel keeps of what a page was sent and has not taken.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long a page may take nothing of what waits for it.
const UNREAD_MAX: Duration = Duration::from_secs(30);

/// How often, and how many times in all, the view is looked at for a server that is not in it. The manager's machine replaces
/// it once in its `SHOW_INTERVAL`, a second, when it next ticks: whoever has registered is in it by the last look.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const LOOKS: usize = 7;

/// What the pages are made from.
pub struct AdminState {
    /// Layer 2's counters, now.
    pub metrics: Box<dyn Fn() -> Metrics + Send + Sync>,
    /// What the hosts show.
    pub shown: Arc<Shown>,
    /// What this server is in its cluster (a manager has `/api/cluster`); none: it stands alone.
    pub node: Option<NodeConfig>,
    /// It serves without a manager.
    pub needs_nobody: bool,
    /// Set while the server is being emptied.
    pub draining: AtomicBool,
    /// Has a server of the cluster emptied; false: there is too much to do now. A manager's alone.
    pub drain: Option<Box<dyn Fn(ServerName) -> bool + Send + Sync>>,
    /// Ends every login of an account; false: there is too much to do now. A manager's alone.
    pub revoke: Option<Box<dyn Fn(AccountId) -> bool + Send + Sync>>,
    /// Says something to every player who is in a room; false: there is too much to do now. A manager's alone.
    pub announce: Option<Box<dyn Fn(String) -> bool + Send + Sync>>,
    /// Renews the workers of this process, one after the other; false: they are being stopped. None: it has none.
    pub reload_workers: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    /// What a POST must show, if this port is not loopback's alone.
    pub token: Option<Zeroizing<String>>,
}

impl AdminState {
    /// Of a server that has started.
    pub fn of<S: Service>(remote: &Remote<S>, shown: &Arc<Shown>, node: Option<NodeConfig>) -> Self {
        let remote = remote.clone();
        Self {
            metrics: Box::new(move || remote.metrics()),
            shown: Arc::clone(shown),
            needs_nobody: node.as_ref().is_none_or(|node| node.kind == ServerKind::Manager),
            node,
            draining: AtomicBool::new(false),
            drain: None,
            revoke: None,
            announce: None,
            reload_workers: None,
            token: None,
        }
    }

    fn is_manager(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.kind == ServerKind::Manager)
    }

    /// Whether it serves: a server that has a manager, once that has taken it.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && (self.needs_nobody || self.shown.was_registered())
    }

    /// The cluster with its manager, in JSON: what `/api/cluster` answers.
    fn cluster(&self) -> serde_json::Result<String> {
        let mut view = ClusterView::clone(&self.shown.view());
        if let Some(node) = &self.node {
            view.servers.insert(0, self.own_view(node));
        }
        serde_json::to_string(&view)
    }

    /// The manager itself, as one more server of its cluster.
    fn own_view(&self, node: &NodeConfig) -> ServerView {
        let metrics = (self.metrics)();
        let links = metrics.listeners.first();
        let usage = process::usage();
        let connections = links.map_or(0, |links| links.connections as u32);
        ServerView {
            name: node.name.clone(),
            kind: node.kind.as_str(),
            state: if self.is_ready() { "up" } else { "draining" },
            address: node.address.clone(),
            through: None,
            world: node.world,
            serving: connections,
            serve_max: node.serve_max,
            reserved: 0,
            connections,
            connections_peak: links.map_or(0, |links| links.connections_peak as u32),
            connections_max: node.connections_max,
            cpu_ms: usage.cpu_ms,
            rss_kib: usage.rss_kib,
            rss_kib_peak: usage.rss_kib_peak,
        }
    }
}

/// Starts the admin port. Gives the address it is bound to.
pub fn start(address: SocketAddr, state: Arc<AdminState>) -> anyhow::Result<SocketAddr> {
    let started = listen(address, UNREAD_MAX).and_then(|listener| serve(listener, state));
    started.with_context(|| format!("cannot listen on {address} (server.admin)"))
}

/// Whoever is accepted here inherits both bounds. They are the kernel's to keep: what has stopped reading is not looked at
/// by the server until the socket takes bytes again.
fn listen(address: SocketAddr, unread_max: Duration) -> io::Result<TcpListener> {
    let listener = completion::bind(address)?;
    set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    set_tcp_user_timeout(&listener, unread_max.as_millis() as u32)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(listener: TcpListener, state: Arc<AdminState>) -> io::Result<SocketAddr> {
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, pages(state, bound)).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the admin port has ended");
        }
    })?;
    Ok(bound)
}

fn pages(state: Arc<AdminState>, bound: SocketAddr) -> Router {
    let mut pages = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    let guard = || middleware::from_fn_with_state((Arc::clone(&state), bound), only_with_token);
    if state.reload_workers.is_some() {
        let orders = Router::new().route("/api/workers/reload", post(reload_workers)).layer(guard());
        pages = pages.merge(orders);
    }
    if state.is_manager() {
        let orders = Router::new()
            .route("/api/drain/{server}", post(drain))
            .route("/api/evict/{account}", post(evict))
            .route("/api/announce", post(announce))
            .layer(guard());
        pages = pages.route("/api/cluster", get(cluster)).merge(orders);
        pages = pages.merge(events::pages(Arc::clone(&state))).merge(dashboard::pages());
    }
    pages
        .with_state(state)
        .layer(middleware::from_fn(move |request: Request, next: Next| only_ours(bound, request, next)))
        .layer(middleware::map_response(dashboard::shield))
}

async fn ready(State(state): State<Arc<AdminState>>) -> Response {
    if state.is_ready() {
        return "ready\n".into_response();
    }
    let why = if state.draining.load(Ordering::Acquire) {
        "draining\n"
    } else {
        "not registered with the manager\n"
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(state): State<Arc<AdminState>>, headers: HeaderMap) -> Response {
    let accepts = headers.get_all(ACCEPT).into_iter().filter_map(|accept| accept.to_str().ok());
    let format = Format::accepted(accepts);
    let page = render(&(state.metrics)(), &state.shown, state.node.is_some(), format);
    ([(CONTENT_TYPE, format.content_type())], page).into_response()
}

async fn cluster(State(state): State<Arc<AdminState>>) -> Response {
    match state.cluster() {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// By its name, as `/api/cluster` shows it.
async fn drain(State(state): State<Arc<AdminState>>, Path(server): Path<String>) -> Response {
    let server = ServerName::from(server);
    if !is_known(&state.shown, &server).await {
        return (StatusCode::NOT_FOUND, "no such server\n").into_response();
    }
    match state.drain.as_ref().map(|drain| drain(server.clone())) {
        Some(true) => {
            tracing::info!(%server, "this server is being emptied");
            "draining\n".into_response()
        }
        _ => too_much_to_do(),
    }
}

/// Whether the view has this server, or has it before long.
async fn is_known(shown: &Shown, server: &ServerName) -> bool {
    let is_there = || shown.view().servers.iter().any(|known| known.name == *server);
    for _ in 1..LOOKS {
        if is_there() {
            return true;
        }
        time::sleep(LOOK_INTERVAL).await;
    }
    is_there()
}

fn too_much_to_do() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "too much to do, ask again\n").into_response()
}

/// By its number, as `usher account list` shows it.
async fn evict(State(state): State<Arc<AdminState>>, Path(account): Path<u64>) -> Response {
    match state.revoke.as_ref().map(|revoke| revoke(AccountId(account))) {
        Some(true) => {
            tracing::info!(account, "every login of this account is over");
            "evicted\n".into_response()
        }
        _ => too_much_to_do(),
    }
}

/// The body is the text.
async fn announce(State(state): State<Arc<AdminState>>, body: Body) -> Response {
    let text = match announcement::read(body).await {
        Ok(text) => text,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    match state.announce.as_ref().map(|announce| announce(text.clone())) {
        Some(true) => {
            tracing::info!(text, "announced to everybody in a room");
            "announced\n".into_response()
        }
        _ => too_much_to_do(),
    }
}

async fn reload_workers(State(state): State<Arc<AdminState>>) -> Response {
    match state.reload_workers.as_ref().map(|reload| reload()) {
        Some(true) => "the workers are renewed, one after the other\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the workers are being stopped\n").into_response(),
    }
}

/// Whoever reaches loopback is on this machine; everybody else shows the token.
async fn only_with_token(
    State((state, bound)): State<(Arc<AdminState>, SocketAddr)>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(AUTHORIZATION).and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
    let is_known = match (&state.token, shown) {
        (Some(token), Some(shown)) => bool::from(token.as_bytes().ct_eq(shown)),
        (Some(_), None) => false,
        (None, _) => bound.ip().is_loopback(),
    };
    if is_known {
        return next.run(request).await;
    }
    let why = "show the token of server.admin_token_file: Authorization: Bearer TOKEN\n";
    (StatusCode::UNAUTHORIZED, why).into_response()
}

/// Refuses what a page of another origin could have sent through somebody's browser.
async fn only_ours(bound: SocketAddr, request: Request, next: Next) -> Response {
    let is_own = |value: &HeaderValue, prefix: &str| {
        let name = value.to_str().ok().and_then(|text| text.strip_prefix(prefix));
        name.is_some_and(|name| is_own_name(name, bound))
    };
    let headers = request.headers();
    let host = headers.get(HOST).is_some_and(|host| is_own(host, ""));
    let origin = headers.get(ORIGIN).is_none_or(|origin| is_own(origin, "http://"));
    if host && origin {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, format!("ask as http://{bound}\n")).into_response()
}

/// Whether a page called by this name is ours. Bound to a wildcard, every number of this machine is: a page of
/// somebody else has a name, and no browser calls it by a number.
fn is_own_name(name: &str, bound: SocketAddr) -> bool {
    let number = name.parse::<SocketAddr>().ok();
    number == Some(bound)
        || name == format!("localhost:{}", bound.port())
        || (bound.ip().is_unspecified() && number.is_some_and(|number| number.port() == bound.port()))
}

#[cfg(test)]
mod tests;
