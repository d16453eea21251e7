//! `/api/events`: the cluster once a second, as server-sent events.
//!
//! Why: a page that asks again and again costs the manager as often; one event is made for everybody who listens.
//! A listener is sent `history` and the cluster as it is at once, then `cluster` each [`INTERVAL`]; what they hold is JSON.
//! Owns: the history, and the newest event. Invariants: no event is made while nobody listens; the history is kept all the same.
//! Limits: [`LISTENERS_MAX`], one more is answered 503. Whoever reads too slowly misses events and gets the newest: nothing
//! is queued for anybody. Whoever reads no more is cut off as by any page of this port, and makes room.
//! Read next: [`super::history`]; `dashboard/main.js`, which listens.

use super::AdminState;
use super::history::History;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{self, MissedTickBehavior};

/// How often an event is sent.
const INTERVAL: Duration = Duration::from_secs(1);
/// Who may listen at once.
pub(super) const LISTENERS_MAX: usize = 16;

/// What is sent to whoever listens.
struct Events {
    state: Arc<AdminState>,
    history: Mutex<History>,
    newest: watch::Sender<Bytes>,
}

/// The stream; its history begins now. To be called on the admin port's runtime.
pub(super) fn pages<S: Clone + Send + Sync + 'static>(state: Arc<AdminState>) -> Router<S> {
    let events = Arc::new(Events { state, history: Mutex::default(), newest: watch::Sender::default() });
    tokio::spawn(tick(Arc::clone(&events)));
    Router::new().route("/api/events", get(listen)).with_state(events)
}

async fn tick(events: Arc<Events>) {
    let mut ticks = time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        events.history().note(&events.state.shown.view());
        if events.newest.receiver_count() > 0 {
            events.newest.send_replace(event("cluster", events.state.cluster()));
        }
    }
}

async fn listen(State(events): State<Arc<Events>>) -> Response {
    if events.newest.receiver_count() >= LISTENERS_MAX {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open, close one\n").into_response();
    }
    let history = event("history", serde_json::to_string(&*events.history()));
    let at_once = [history, event("cluster", events.state.cluster())].concat();
    let later = stream::unfold(events.newest.subscribe(), async |mut newest| {
        newest.changed().await.ok()?;
        let event = newest.borrow_and_update().clone();
        Some((Ok::<_, Infallible>(event), newest))
    });
    let stream = stream::iter([Ok(Bytes::from(at_once))]).chain(later);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

impl Events {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// JSON has no line breaks of its own, so it is one line of data.
fn event(name: &str, json: serde_json::Result<String>) -> Bytes {
    match json {
        Ok(json) => format!("event: {name}\ndata: {json}\n\n").into(),
        Err(error) => {
            tracing::error!(%error, "an event could not be written");
            Bytes::from_static(b":\n\n")
        }
    }
}
