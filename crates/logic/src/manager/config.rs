//! The manager's terms and limits.
//!
//! Why: every table of the manager is bounded here, by a name, with what happens beyond it.
//! Read next: [`super::Manager`].

use core::time::Duration;

/// In which order clients are to try halls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HallsOrder {
    /// The least loaded first.
    #[default]
    Load,
    /// By name: the first is full before the second is used.
    Name,
}

/// The manager's limits and terms. Plain numbers, checked by whoever reads the config file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Unix milliseconds at machine time zero.
    pub started_unix_ms: u64,
    /// Without a message for so long a server is gone.
    pub lease: Duration,
    /// A server whose clock is further off is not registered.
    pub clock_skew_max: Duration,
    /// How long a reservation is good for.
    pub reservation_ttl: Duration,
    /// How long an account that is nowhere keeps its older logins out: `session_max`, for a ticket is sealed anew
    /// until then.
    pub fence_ttl: Duration,
    /// Servers known; a further one is closed with `ConnectionsFull`. Twice as many links are let in, for those
    /// that come back before the old link is seen to break.
    pub servers_max: u32,
    /// Accounts known; beyond it the oldest fence is forgotten, and without one a newcomer's claim is denied.
    pub presence_max: u32,
    /// Accounts known that are nowhere; beyond it the oldest is forgotten.
    pub fences_max: u32,
    /// Reservations outstanding at one server; beyond it that server takes nobody.
    pub reservations_max: u32,
    /// Reservations being sealed; beyond it nobody takes anybody.
    pub seals_max: u32,
    /// A server whose logic queue takes so long is sent nobody until it is down to half of that.
    pub logic_delay_max: Duration,
    /// Whether places that are kept count as load. Always, but where it is shown what that is good for.
    pub counts_reservations: bool,
    /// In which order logins name halls.
    pub halls_order: HallsOrder,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            started_unix_ms: 0,
            lease: Duration::from_secs(4),
            clock_skew_max: Duration::from_secs(2),
            reservation_ttl: Duration::from_secs(5),
            fence_ttl: Duration::from_secs(24 * 60 * 60),
            servers_max: 1000,
            presence_max: 10_000_000,
            fences_max: 1_000_000,
            reservations_max: 10_000,
            seals_max: 16_384,
            logic_delay_max: Duration::from_millis(250),
            counts_reservations: true,
            halls_order: HallsOrder::Load,
        }
    }
}
