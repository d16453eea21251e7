//! Logs: one line a thing that matters, fields not prose, to standard error.
//!
//! Why: standard output belongs to the machine-readable lines of [`crate::life`].
//! Owns: how lines are written; how many of a server's, so that no stranger can fill a disk with them.
//! Invariants: a line that was left out is counted and the count is said. Each player's own steps ([`crate::steps`])
//! are all there or, as usual, none. What children print has a limit of its own.
//! Limits: [`LINES_MAX`] lines from one place in the code within [`SPAN`].
//! Read next: `logs/limiter.rs`, then [`crate::life`].

mod limiter;

use crate::config::LogSection;
use crate::{clock, steps};
use limiter::{Limiter, lines_left_out};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Lines of a server that one place in the code may write within a [`SPAN`].
pub const LINES_MAX: u32 = 10;
/// See [`LINES_MAX`].
pub const SPAN: Duration = Duration::from_secs(10);
/// What tells how many lines were left out: that is never left out itself.
const OWN: &str = "usher::logs";
/// What children of this process print. Whoever hears them limits each by itself, so that none takes the lines of another.
pub const CHILDREN: &str = "usher::children";

static LIMITER: Mutex<Limiter<Identifier>> = Mutex::new(Limiter::new(LINES_MAX, SPAN));

/// Whether the environment has nothing against colours (<https://no-color.org>).
pub fn wants_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sets up logging for a program that somebody sits before; `RUST_LOG` wins over the config. A second call changes
/// nothing.
pub fn init(section: &LogSection) {
    set_up(section, None);
}

/// The same for a server: how many lines it writes is limited. [`tell_left_out`] is to be called now and then.
pub fn init_limited(section: &LogSection) {
    set_up(section, Some(Limited));
}

/// Says how many lines were left out; `at_end`: those of spans that are not over too.
pub fn tell_left_out(at_end: bool) {
    let all = LIMITER.lock().unwrap_or_else(PoisonError::into_inner).take_left_out(clock::instant(), at_end);
    for (of, left_out) in all {
        tracing::warn!(target: OWN, %of, left_out, "lines left out");
    }
}

fn set_up(section: &LogSection, limited: Option<Limited>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&section.level));
    let colours = std::io::stderr().is_terminal() && wants_colors();
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours);
    let registry = tracing_subscriber::registry().with(filter).with(limited);
    let set = if section.json {
        registry.with(lines.json()).try_init()
    } else {
        registry.with(lines.compact()).try_init()
    };
    if set.is_err() {
        tracing::debug!("logging was set up before");
    }
}

/// Leaves lines out.
struct Limited;

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let about = event.metadata();
        if matches!(about.target(), OWN | CHILDREN | steps::TARGET) {
            return true;
        }
        let mut limiter = LIMITER.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.takes(clock::instant(), about.callsite(), || lines_left_out(event))
    }
}
