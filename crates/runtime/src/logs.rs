//! Logs: one line a thing that matters, fields not prose, to standard error.
//!
//! Why: standard output belongs to the machine-readable lines of [`crate::life`].
//! Read next: [`crate::life`].

use crate::config::LogSection;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Whether the environment has nothing against colours (<https://no-color.org>).
pub fn wants_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sets up logging for this process; `RUST_LOG` wins over the config. A second call changes nothing.
pub fn init(section: &LogSection) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&section.level));
    let colours = std::io::stderr().is_terminal() && wants_colors();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colours);
    let set = if section.json { builder.json().try_init() } else { builder.compact().try_init() };
    if set.is_err() {
        tracing::debug!("logging was set up before");
    }
}
