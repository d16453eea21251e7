//! `usher status`: the cluster in one screen of text, once or as it changes.
//!
//! Why: over ssh, in a script, at three in the morning there is no browser.
//! Owns: the command line, the looks at the manager, the terminal while `--watch` has it. What is shown is
//! `status/screen.rs`.
//! Invariants: exit codes are 0 every server is well, 1 one is suspect or the manager does not answer (with `--watch`: at
//! the last look), 2 bad usage. The terminal is given back however this ends.
//! Limits: a look each [`LOOK_EVERY`]; an answer that takes longer delays the next.
//! Read next: `usher_logic::manager`, `view.rs`, which is asked.

mod cluster;
mod screen;

use self::cluster::Cluster;
use self::screen::Seen;
use crate::failed_is_1;
use anyhow::Context;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use usher_client_sim::admin::{self, AdminError};
use usher_runtime::clock;
use usher_runtime::signals::{self, StopRequested};

/// Where the manager of `deploy/local` answers.
pub(crate) const LOCAL_ADMIN: &str = "127.0.0.1:7090";
/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for a key or a signal meanwhile.
const HEED_EVERY: Duration = Duration::from_millis(50);

/// What `status` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher status                            # the cluster of `usher up`\n  \
    usher status --watch                    # every second, with rates; q ends it\n  \
    usher status 10.0.0.5:7090 --json       # what the manager says, for a program\n  \
    usher status --watch | tee evening.txt  # a block a second, to keep\n\n\
    Exit codes: 0 every server is well, 1 one is suspect or the manager does not answer (with --watch: at the last look), \
    2 bad usage.")]
pub(crate) struct StatusArgs {
    /// The manager's admin address
    #[arg(value_name = "ADDR", default_value = LOCAL_ADMIN)]
    manager: SocketAddr,
    /// Look again each second, with what happened in it, until q or Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// Print /api/cluster as it is, an object a line
    #[arg(long)]
    json: bool,
}

/// What was heard from the manager.
struct Look {
    at: Instant,
    /// The answer, as it came and as it is understood; or why there is none.
    heard: Result<(String, Cluster), String>,
}

impl Look {
    fn now(manager: SocketAddr) -> Self {
        let heard = match admin::get(manager, "/api/cluster") {
            Ok(text) => serde_json::from_str(&text)
                .map(|cluster| (text, cluster))
                .map_err(|error| format!("what {manager} answers is no cluster: {error}")),
            Err(AdminError::Silent(error)) => Err(silent(manager, &error)),
            Err(AdminError::Refused { status: 404, .. }) => Err(no_manager(manager)),
            Err(refused) => Err(refused.to_string()),
        };
        Self { at: clock::instant(), heard }
    }

    fn is_well(&self) -> bool {
        matches!(&self.heard, Ok((_, cluster)) if !cluster.has_suspects())
    }

    fn seen(&self) -> Option<Seen<'_>> {
        let (_, cluster) = self.heard.as_ref().ok()?;
        Some(Seen { at: self.at, cluster })
    }

    /// As a block of text. What the look before saw makes rates of counts.
    fn text(&self, manager: SocketAddr, before: Option<&Self>, is_json: bool) -> String {
        match &self.heard {
            Ok((json, _)) if is_json => format!("{}\n", json.trim_end()),
            Err(why) if is_json => format!("{}\n", serde_json::json!({ "error": why })),
            Err(why) => format!("  {why}\n"),
            Ok((_, cluster)) => {
                let seen = Seen { at: self.at, cluster };
                screen::text(manager, &seen, before.and_then(Self::seen).as_ref())
            }
        }
    }
}

/// Nobody answers there, and what to do.
pub(crate) fn silent(manager: SocketAddr, error: &dyn fmt::Display) -> String {
    format!(
        "no manager answers at {manager} ({error}): start a cluster with `usher up`, or name the `server.admin` address \
         of the manager's config"
    )
}

/// Somebody answers there, and is no manager.
pub(crate) fn no_manager(manager: SocketAddr) -> String {
    format!("the server at {manager} is no manager: name the `server.admin` address of the manager's config")
}

/// Shows the cluster.
pub(crate) fn run(args: &StatusArgs) -> ExitCode {
    let first = Look::now(args.manager);
    if let Err(why) = &first.heard {
        eprintln!("error: {why}");
        return ExitCode::FAILURE;
    }
    let is_screen = args.watch && !args.json && io::stdout().is_terminal() && io::stdin().is_terminal();
    let ended = match args.watch {
        false => once(args, &first),
        true if is_screen => on_terminal(args.manager, first),
        true => block_by_block(args, first),
    };
    failed_is_1(ended)
}

fn once(args: &StatusArgs, look: &Look) -> anyhow::Result<bool> {
    print(&look.text(args.manager, None, args.json))?;
    Ok(look.is_well())
}

/// Whether somebody still reads.
fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

fn block_by_block(args: &StatusArgs, first: Look) -> anyhow::Result<bool> {
    let stops = signals::listen().context("cannot listen for signals")?;
    let (mut look, mut before) = (first, None);
    loop {
        let next_at = look.at + LOOK_EVERY;
        let gap = if args.json { "" } else { "\n" };
        let is_read = print(&(look.text(args.manager, before.as_ref(), args.json) + gap))?;
        if !is_read || is_stopped(&stops, next_at.saturating_duration_since(clock::instant())) {
            return Ok(look.is_well());
        }
        before = Some(std::mem::replace(&mut look, Look::now(args.manager)));
    }
}

fn is_stopped(stops: &Receiver<StopRequested>, within: Duration) -> bool {
    !matches!(stops.recv_timeout(within), Err(RecvTimeoutError::Timeout))
}

fn on_terminal(manager: SocketAddr, first: Look) -> anyhow::Result<bool> {
    let stops = signals::listen().context("cannot listen for signals")?;
    let mut terminal = ratatui::try_init().context("cannot take the terminal over")?;
    let ended = redraw(&mut terminal, manager, first, &stops);
    ratatui::try_restore().context("cannot give the terminal back")?;
    ended
}

fn redraw(
    terminal: &mut DefaultTerminal,
    manager: SocketAddr,
    first: Look,
    stops: &Receiver<StopRequested>,
) -> anyhow::Result<bool> {
    let (mut look, mut before) = (first, None);
    loop {
        let next_at = look.at + LOOK_EVERY;
        let text = look.text(manager, before.as_ref(), false);
        while clock::instant() < next_at {
            terminal.draw(|frame| {
                frame.render_widget(screen::fitted(&text, frame.area().height), frame.area());
            })?;
            if is_over(stops)? {
                return Ok(look.is_well());
            }
        }
        before = Some(std::mem::replace(&mut look, Look::now(manager)));
    }
}

/// Whether a signal or a key wants an end; waits a moment for either. A new size of the window ends the wait too.
fn is_over(stops: &Receiver<StopRequested>) -> anyhow::Result<bool> {
    if stops.try_recv().is_ok() {
        return Ok(true);
    }
    if !event::poll(HEED_EVERY).context("cannot read keys")? {
        return Ok(false);
    }
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event::read()? else {
        return Ok(false);
    };
    let is_ctrl_c = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    Ok(is_ctrl_c || matches!(code, KeyCode::Char('q') | KeyCode::Esc))
}
