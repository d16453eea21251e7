//! `usher keygen`: the key files of a cluster, made once and copied to where they belong.
//!
//! Why: what may be where is the security of a cluster, so it is said beside each file.
//! Ticket keys are changed in two steps, so that no server meets a ticket that it cannot open: `--next` adds a key that
//! only opens; when every server has the new file and was sent SIGHUP, `--use-next` makes it the one that seals.
//! Owns: which files there are. Does not own their form (`usher_secure`).
//! Invariants: an existing file is left alone, but for the ticket keys in those two steps; they are replaced at once.
//! Read next: docs/security.md.

use anyhow::{Context, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use usher_proto::limits::NAME_BYTES_MAX;
use usher_runtime::keys::{
    INNER_SECRET_FILE, LINK_SECRET_FILE, WORKERS_SECRET_FILE, link_key_file, public_file, trunk_key_file,
    workers_key_file,
};
use usher_runtime::say;
use usher_secure::{LinkSecret, LoginKey, TicketKeys};

/// What `keygen` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher keygen keys --server login-1 --server hall-1 --server room-1\n  \
    usher keygen keys --gateway gateway-1   # and what lets a gateway in to halls and room servers\n  \
    usher keygen keys --workers-for room-1  # and what lets it in to hosts of workers\n  \
    usher keygen keys --next         # a new ticket key: copy the file everywhere, SIGHUP, then\n  \
    usher keygen keys --use-next     # seal with it: copy and SIGHUP again\n\n\
    Exit codes: 0 all files are there, 1 failed, 2 bad usage.")]
pub(crate) struct KeygenArgs {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A server that links to the manager, by its name; may be given several times
    #[arg(long = "server", value_name = "NAME", value_parser = name)]
    servers: Vec<String>,
    /// A gateway, by its name; may be given several times
    #[arg(long = "gateway", value_name = "NAME", value_parser = name)]
    gateways: Vec<String>,
    /// A room server that has workers on another machine, by its name; may be given several times
    #[arg(long = "workers-for", value_name = "NAME", value_parser = name)]
    workers_for: Vec<String>,
    /// Add a ticket key that opens and does not seal yet
    #[arg(long, conflicts_with_all = ["use_next", "servers", "gateways", "workers_for"])]
    next: bool,
    /// Seal with the ticket key that was added last
    #[arg(long, conflicts_with_all = ["servers", "gateways", "workers_for"])]
    use_next: bool,
}

fn name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(['/', '\0']);
    is_name.then(|| text.into()).ok_or_else(|| format!("a name has 1 to {NAME_BYTES_MAX} bytes and no `/`"))
}

/// Makes what is missing, or takes one step of a change of ticket keys.
pub(crate) fn run(args: &KeygenArgs) -> anyhow::Result<bool> {
    let tickets = args.folder.join("cluster.key");
    if args.next || args.use_next {
        change_tickets(&tickets, args.next)?;
    } else {
        fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {}", args.folder.display()))?;
        make_all(args, &tickets)?;
    }
    Ok(true)
}

fn make_all(args: &KeygenArgs, tickets: &Path) -> anyhow::Result<()> {
    let in_folder = |name: &str| args.folder.join(name);
    make(tickets, "every server, nobody else", || Ok(TicketKeys::generate().write_file(tickets)?))?;
    let login = in_folder("login.key");
    make(&login, "login servers", || Ok(LoginKey::generate().write_file(&login)?))?;
    let public = public_file(&login);
    let text = format!("{}\n", LoginKey::load(&login)?.public());
    make(&public, "every client; no secret", || Ok(fs::write(&public, text)?))?;
    let secret_file = in_folder(LINK_SECRET_FILE);
    make(&secret_file, "the manager alone", || Ok(LinkSecret::generate().write_file(&secret_file)?))?;
    let secret = LinkSecret::load(&secret_file)?;
    for server in args.servers.iter().chain(&args.gateways) {
        let file = in_folder(&link_key_file(server));
        make(&file, &format!("{server} alone"), || Ok(secret.key_of(server).write_file(&file)?))?;
    }
    if !args.gateways.is_empty() {
        make_inner(args)?;
    }
    if args.workers_for.is_empty() { Ok(()) } else { make_workers(args) }
}

/// What room servers and hosts of workers prove themselves to each other by.
fn make_workers(args: &KeygenArgs) -> anyhow::Result<()> {
    let file = args.folder.join(WORKERS_SECRET_FILE);
    make(&file, "hosts of workers", || Ok(LinkSecret::generate().write_file(&file)?))?;
    let secret = LinkSecret::load(&file)?;
    for server in &args.workers_for {
        let file = args.folder.join(workers_key_file(server));
        make(&file, &format!("{server} alone"), || Ok(secret.key_of(server).write_file(&file)?))?;
    }
    Ok(())
}

/// What gateways and the servers behind them prove themselves to each other by.
fn make_inner(args: &KeygenArgs) -> anyhow::Result<()> {
    let file = args.folder.join(INNER_SECRET_FILE);
    make(&file, "halls and room servers behind gateways", || Ok(LinkSecret::generate().write_file(&file)?))?;
    let secret = LinkSecret::load(&file)?;
    for gateway in &args.gateways {
        let file = args.folder.join(trunk_key_file(gateway));
        make(&file, &format!("{gateway} alone"), || Ok(secret.key_of(gateway).write_file(&file)?))?;
    }
    Ok(())
}

fn make(file: &Path, belongs_to: &str, write: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let word = if file.exists() {
        "kept"
    } else {
        write()?;
        "made"
    };
    say!("{word} {:<40} for {belongs_to}", file.display());
    Ok(())
}

fn change_tickets(file: &Path, add: bool) -> anyhow::Result<()> {
    let mut keys = TicketKeys::load(file)?;
    if add {
        keys.add_next().map_err(anyhow::Error::msg)?;
    } else if !keys.use_next() {
        bail!("{}: holds no key that was added; run with --next first", file.display());
    }
    keys.replace_file(file)?;
    say!("{}: {keys:?}, the first one seals", file.display());
    say!(
        "copy it to every server and send each SIGHUP{}",
        if add { ", then run with --use-next" } else { "" }
    );
    Ok(())
}
