//! What a person sees while the players play: a bar on a terminal, a line now and then elsewhere.
//!
//! Limits: a line every [`LINE_EVERY`].
//! Read next: `run`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// How often progress is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Where there is no terminal, a line this often.
pub const LINE_EVERY: Duration = Duration::from_secs(2);

/// How far everyone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Players in a seat.
    pub seated: u64,
    /// Players who are done.
    pub done: u64,
    /// Redirects so far.
    pub redirects: u64,
    /// Failures so far.
    pub failed: u64,
}

impl Now {
    /// Adds another crowd's.
    pub fn add(&mut self, other: Self) {
        self.seated += other.seated;
        self.done += other.done;
        self.redirects += other.redirects;
        self.failed += other.failed;
    }
}

/// The bar, or the lines.
pub struct Progress {
    bar: Option<ProgressBar>,
    players: u64,
    since_line: Duration,
}

impl Progress {
    /// For so many players.
    pub fn new(players: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} seated  {msg}  {elapsed}");
            let bar = ProgressBar::with_draw_target(Some(players), ProgressDrawTarget::stderr());
            style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
        });
        let since_line = if terminal { Duration::MAX } else { Duration::ZERO };
        Self { bar, players, since_line }
    }

    /// Shows how far everyone is, `since` after the last time.
    pub fn show(&mut self, now: Now, since: Duration) {
        let Now { seated, done, redirects, failed } = now;
        let message = format!("{redirects} redirects, {failed} failed, {done} done");
        if let Some(bar) = &self.bar {
            bar.set_position(seated);
            bar.set_message(message);
        } else if self.since_line != Duration::MAX {
            self.since_line += since;
            if self.since_line >= LINE_EVERY {
                self.since_line = Duration::ZERO;
                eprintln!("  {seated}/{} seated, {message}", self.players);
            }
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
