//! What the service manager is told of a server of a cluster while it runs: that it serves, and that its shards answer.
//!
//! Why: a server that hangs is started again, whatever kind it is.
//! Owns: what was said. Does not own the socket ([`crate::notify`]), nor how a shard is asked.
//! Invariants: "alive" is said when every shard that was asked has answered; then all are asked again.
//! Read next: [`crate::tend`].

use crate::admin::AdminState;
use crate::metrics::Shown;
use crate::notify::Notify;

/// What the service manager was told.
#[derive(Debug, Default)]
pub struct Pulse {
    was_ready: bool,
    /// Signs of life that shards were asked for so far.
    asked: u64,
}

impl Pulse {
    /// Says once that it serves, when it does.
    pub fn say_ready(&mut self, admin: &AdminState, notify: &Notify) {
        if !self.was_ready && admin.is_ready() {
            self.was_ready = true;
            tracing::info!("serving");
            notify.ready();
        }
    }

    /// Every shard has answered: says so, and asks them again. `ask` tells that shard to beat, if it can be told.
    pub fn say_alive(
        &mut self,
        (shown, notify): (&Shown, &Notify),
        shards: usize,
        ask: impl Fn(usize) -> bool,
    ) {
        if notify.is_watched() && shown.beats() >= self.asked {
            notify.alive();
            self.asked += (0..shards).filter(|shard| ask(*shard)).count() as u64;
        }
    }
}
