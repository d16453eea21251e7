//! `usher play`: one person at a terminal, from the login to a table and back.
//!
//! Why: whoever looks at this stack wants to sit down in it.
//! Owns: the command line, the terminal (taken over here, given back here), the loop that joins keys, news and the
//! screen. The client is `usher_player::person` on the transport that simulated players use; what is shown is
//! `play/evening.rs`.
//! Invariants: the terminal is given back however this ends, a panic included; the screen is drawn by one thread.
//! Limits: the screen is drawn again [`TICK`] after the last change at the latest, for clocks.
//! Read next: `play/evening.rs`, `play/screen.rs`.

mod doudizhu;
mod evening;
mod gomoku;
mod ink;
mod keys;
mod owning;
mod plain;
mod screen;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod words;

use self::evening::Evening;
use self::ink::Ink;
use self::keys::Asked;
use self::secret::Secret;
use anyhow::{Context, anyhow};
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use usher_client_sim::args::login_key;
use usher_client_sim::run::CLOSE_MAX;
use usher_player::person::{News, Person, PersonConfig, Wish};
use usher_proto::{Address, WorldId};
use usher_runtime::answers::World;
use usher_runtime::call::LoginKeys;
use usher_runtime::crowd::{CrowdLimits, RunningCrowd};
use usher_runtime::signals::{self, StopRequested};
use usher_runtime::{clock, process};
use usher_secure::{LoginPublicKey, os_rng, scram};
use zeroize::Zeroizing;

const TICK: Duration = Duration::from_millis(250);
/// How long goodbyes may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);
/// The login server of `usher up`, and its key.
const LOCAL_LOGIN: &str = "127.0.0.1:7100";
const LOCAL_LOGIN_2: &str = "127.0.0.1:7101";
const LOCAL_KEY: &str = "deploy/local/login.pub";

/// What `play` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher up                           # in one terminal: a cluster\n  \
    usher play                         # in another: you, as a guest\n  \
    usher client-sim --login 127.0.0.1:7100 --login-key deploy/local/login.pub --players 20 --seconds 3600   # company\n  \
    usher play --name ada              # an account; the password is asked for\n\n\
    Exit codes: 0 you left, 1 it could not go on, 2 bad usage or no terminal.")]
pub(crate) struct PlayArgs {
    /// Login servers, in the order they are tried
    #[arg(long, value_name = "ADDR", num_args = 1.., default_values = [LOCAL_LOGIN, LOCAL_LOGIN_2])]
    login: Vec<String>,
    /// The cluster's login key, 64 hex digits or a file of them; several while it is changed
    /// [default: deploy/local/login.pub]
    #[arg(long, value_name = "KEY", num_args = 1.., value_parser = login_key)]
    login_key: Vec<LoginPublicKey>,
    /// The world to play in; without one you choose, if there are several
    #[arg(long, value_name = "N")]
    world: Option<u16>,
    /// Speak in clear, which servers take only on `channel = "plain"`
    #[arg(long, conflicts_with = "login_key")]
    plain: bool,
    /// Play as a guest; so it is without a name
    #[arg(long, conflicts_with = "name")]
    guest: bool,
    /// Play by this account; its password is asked for
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// What the loop waits for.
enum Happened {
    Key(KeyEvent),
    Resized,
    News(News),
    /// Nobody can type any more.
    TerminalGone,
}

type Client = RunningCrowd<Person<Box<dyn FnMut(News) + Send>>>;

pub(crate) fn run(args: &PlayArgs) -> ExitCode {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        eprintln!(
            "error: `usher play` is for a person at a terminal; for others there is `usher client-sim`"
        );
        return ExitCode::from(2);
    }
    let believed =
        login_keys(args).and_then(|keys| Ok((keys, args.name.as_deref().map(ask_for_password).transpose()?)));
    let (keys, secret) = match believed {
        Ok(believed) => believed,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    match play(args, keys, secret) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whom to believe to be a login server; nobody has to prove it in clear.
fn login_keys(args: &PlayArgs) -> anyhow::Result<LoginKeys> {
    let keys = match args.login_key.as_slice() {
        _ if args.plain => Vec::new(),
        [] => vec![login_key(LOCAL_KEY).map_err(|why| {
            anyhow!("{LOCAL_KEY}: {why}; start a cluster with `usher up`, or name its key with --login-key")
        })?],
        keys => keys.to_vec(),
    };
    Ok(LoginKeys::new(keys))
}

fn ask_for_password(name: &str) -> anyhow::Result<Secret> {
    scram::client_first(name, "nonce").with_context(|| format!("{name:?} is no name of an account"))?;
    let password = rpassword::prompt_password(format!("Password of {name}: ")).context("no password")?;
    Ok(Secret { name: name.into(), password: Zeroizing::new(password) })
}

/// The whole evening. Why it ended, if the person did not want it to.
fn play(args: &PlayArgs, keys: LoginKeys, secret: Option<Secret>) -> anyhow::Result<Option<&'static str>> {
    let stops = signals::listen().context("cannot listen for signals")?;
    let (sender, happened) = channel();
    let client = start(args, keys, secret, sender.clone())?;
    let mut terminal = ratatui::try_init().context("cannot take the terminal over")?;
    let ended = listen_for_keys(sender)
        .context("cannot read keys")
        .and_then(|()| evening(&mut terminal, &client, &happened, &stops));
    let restored = ratatui::try_restore().context("cannot give the terminal back");
    say_goodbye(&client, &happened);
    client.stop(CLOSE_MAX);
    let ended = ended?;
    restored?;
    Ok(ended)
}

fn start(
    args: &PlayArgs,
    keys: LoginKeys,
    secret: Option<Secret>,
    sender: Sender<Happened>,
) -> anyhow::Result<Client> {
    let config = PersonConfig {
        logins: args.login.iter().map(|login| Address::from(login.clone())).collect(),
        has_account: secret.is_some(),
        world: args.world.map(WorldId),
        step_timeout: Duration::from_secs(10),
        seed: seed(),
    };
    let tell: Box<dyn FnMut(News) + Send> = Box::new(move |news| {
        let _ = sender.send(Happened::News(news)); // nobody looks at the end
    });
    let answers = secret.map(|secret| -> Box<dyn World> { Box::new(secret) });
    let connections_max = 16.min(process::connections_possible() as usize);
    let limits = CrowdLimits { connections_max, connect_timeout: Duration::from_secs(3) };
    let person = Person::new(config, tell);
    RunningCrowd::start(person, answers, limits, &Arc::new(keys)).context("cannot start the client")
}

fn seed() -> u64 {
    use rand::Rng;
    os_rng().next_u64()
}

fn listen_for_keys(sender: Sender<Happened>) -> io::Result<()> {
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        loop {
            let happened = match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Happened::Key(key),
                Ok(Event::Resize(..)) => Happened::Resized,
                Ok(_) => continue,
                Err(_) => Happened::TerminalGone,
            };
            let is_over = matches!(happened, Happened::TerminalGone);
            if sender.send(happened).is_err() || is_over {
                return;
            }
        }
    })?;
    Ok(())
}

fn evening(
    terminal: &mut DefaultTerminal,
    client: &Client,
    happened: &Receiver<Happened>,
    stops: &Receiver<StopRequested>,
) -> anyhow::Result<Option<&'static str>> {
    let (began, ink) = (clock::instant(), Ink::of_environment());
    let mut evening = Evening::new();
    loop {
        evening.tick(clock::instant() - began);
        terminal.draw(|frame| screen::draw(&evening, ink, frame)).context("cannot draw")?;
        let first = match happened.recv_timeout(TICK) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        };
        evening.tick(clock::instant() - began);
        for it in first.into_iter().chain(happened.try_iter()) {
            match it {
                Happened::Key(key) => match evening.on_key(key) {
                    Asked::Nothing => {}
                    Asked::Quit => return Ok(None),
                    Asked::Wish(wish) => wish_for(client, &mut evening, wish),
                },
                Happened::News(news) => {
                    if let Some(wish) = evening.on_news(news) {
                        wish_for(client, &mut evening, wish);
                    }
                }
                Happened::Resized => {}
                Happened::TerminalGone => return Ok(None),
            }
        }
        if evening.ended.is_some() {
            return Ok(evening.ended);
        }
        if stops.try_recv().is_ok() {
            return Ok(None);
        }
    }
}

fn wish_for(client: &Client, evening: &mut Evening, wish: Wish) {
    if !client.tell(wish) {
        evening.on_news(News::NotNow);
    }
}

/// Leaves the room, so that nobody waits for a seat that is not needed any more.
fn say_goodbye(client: &Client, happened: &Receiver<Happened>) {
    let deadline: Instant = clock::instant() + LEAVE_MAX;
    if client.is_done() || !client.drain() {
        return;
    }
    while let Ok(it) = happened.recv_timeout(deadline.saturating_duration_since(clock::instant())) {
        if matches!(it, Happened::News(News::Ended(_))) {
            return;
        }
    }
}
