//! `usher account`: accounts are made, closed and listed by whoever may read their database.
//!
//! Why: a login server only reads; an operator writes here, while the servers run.
//! Owns: the commands and where each finds its database. Does not own the database (`usher_store`), nor what a
//! password becomes (`usher_secure::scram`).
//! Invariants: exit codes are 0 well, 1 failed, 2 bad usage; a password is never on a command line, shown or kept.
//! Read next: `account/import.rs`, `account/password.rs`.

mod import;
mod password;
pub(crate) mod test_players;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use import::ImportArgs;
use password::PasswordArgs;
use std::io::{ErrorKind, Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use usher_client_sim::admin;
use usher_login::Login;
use usher_runtime::config::ConfigFile;
use usher_runtime::{App, clock, say};
use usher_secure::scram::{ITERATIONS_DEFAULT, Verifier};
use usher_secure::{os_rng, private_file};
use usher_store::{Change, Database, Writer, number};
use zeroize::Zeroizing;

/// What `account` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher account add ada --accounts accounts.db\n  \
    usher account list -c deploy/local/login-1.toml\n\n\
    Exit codes: 0 done, 1 failed, 2 bad usage.")]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Make an account; its database too, if there is none yet
    #[command(after_help = "Examples:\n  \
        usher account add ada --accounts accounts.db       # the password is asked for\n  \
        printf secret | usher account add ada --accounts accounts.db --password-stdin\n\n\
        Exit codes: 0 done, 1 failed, 2 bad usage.")]
    Add {
        #[command(flatten)]
        account: NamedArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Change an account's password
    #[command(after_help = "Examples:\n  \
        usher account passwd ada --accounts accounts.db\n\n\
        Exit codes: 0 done, 1 failed, 2 bad usage.")]
    Passwd {
        #[command(flatten)]
        account: NamedArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Let an account log in no more
    #[command(after_help = "Examples:\n  \
        usher account disable ada --accounts accounts.db --manager-admin 127.0.0.1:7090   # and out now\n\n\
        Exit codes: 0 done, 1 failed, 2 bad usage.")]
    Disable {
        #[command(flatten)]
        account: NamedArgs,
        /// The manager's admin address: the account is evicted from where it is now
        #[arg(long, value_name = "ADDR")]
        manager_admin: Option<SocketAddr>,
        /// The file with the manager's token, where it asks for one
        #[arg(long, value_name = "FILE", requires = "manager_admin")]
        admin_token_file: Option<PathBuf>,
    },
    /// Let a disabled account log in again
    #[command(after_help = "Examples:\n  \
        usher account enable ada -c deploy/local/login-1.toml\n\n\
        Exit codes: 0 done, 1 failed, 2 bad usage.")]
    Enable {
        #[command(flatten)]
        account: NamedArgs,
    },
    /// Show every account: name, number, and whether it is disabled
    #[command(after_help = "Examples:\n  \
        usher account list --accounts accounts.db\n\n\
        Exit codes: 0 done, 1 failed, 2 bad usage.")]
    List {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Make many accounts, all or none: from lines of name,password, or for a load test
    Import(ImportArgs),
}

#[derive(Args, Clone, Debug)]
struct NamedArgs {
    /// The account's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Which database.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct DatabaseArgs {
    /// The database of accounts
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// The config of a login server, which names it
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What the operator did wrong, and no machine: exit code 2.
#[derive(Debug)]
struct Usage(anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Usage {}

fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Usage(error.into()).into()
}

/// An error and its causes; what it has said itself is not said again.
fn said(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.ends_with(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// Runs a command.
pub(crate) fn run(args: &AccountArgs) -> ExitCode {
    let ended = match &args.command {
        Command::Add { account, password } => add(account, password),
        Command::Passwd { account, password } => passwd(account, password),
        Command::Disable { account, manager_admin, admin_token_file } => {
            disable(account, *manager_admin, admin_token_file.as_deref())
        }
        Command::Enable { account } => set_disabled(account, false),
        Command::List { database } => list(database),
        Command::Import(args) => import::run(args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", said(&error));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

impl DatabaseArgs {
    fn path(&self) -> anyhow::Result<PathBuf> {
        let (Some(config), None) = (&self.config, &self.accounts) else {
            return Ok(self.accounts.clone().expect("invariant: clap wants one of the two"));
        };
        accounts_of(config).map_err(usage)
    }

    fn open(&self) -> anyhow::Result<Database> {
        Ok(Database::open(&self.path()?)?)
    }

    fn open_or_create(&self) -> anyhow::Result<Database> {
        Ok(Database::open_or_create(&self.path()?, ITERATIONS_DEFAULT)?)
    }
}

/// The database that a login server's config names, which may not be there yet.
fn accounts_of(config: &Path) -> anyhow::Result<PathBuf> {
    let file = ConfigFile::read(config)?;
    let (_, section) = file.load::<usher_login::Section>(Login::KIND)?;
    match section.accounts {
        Some(path) => Ok(file.relative(&path)),
        None => Err(file.wrong("login.accounts", "is missing: which database?").into()),
    }
}

fn add(args: &NamedArgs, password: &PasswordArgs) -> anyhow::Result<()> {
    let database = args.database.open_or_create()?;
    let verifier = verifier(&database, password)?;
    let (name, id) = (args.name.clone(), number(&args.name));
    change(database, Change::Add { name, verifier })?;
    say!("{}: added, number {}", args.name, id.0);
    Ok(())
}

fn passwd(args: &NamedArgs, password: &PasswordArgs) -> anyhow::Result<()> {
    let database = args.database.open()?;
    let verifier = verifier(&database, password)?;
    change(database, Change::SetVerifier { name: args.name.clone(), verifier })?;
    say!("{}: password changed; who is logged in stays so until its session ends", args.name);
    Ok(())
}

fn verifier(database: &Database, password: &PasswordArgs) -> anyhow::Result<Verifier> {
    let password = password.read()?;
    Verifier::of_password(&password, database.iterations(), &mut os_rng()).map_err(|_| {
        usage(anyhow::anyhow!("a password has 1 to 128 bytes and nothing that SASLprep refuses"))
    })
}

fn set_disabled(args: &NamedArgs, disabled: bool) -> anyhow::Result<()> {
    change(args.database.open()?, Change::SetDisabled { name: args.name.clone(), disabled })?;
    say!("{}: {}", args.name, if disabled { "disabled" } else { "enabled" });
    Ok(())
}

fn disable(args: &NamedArgs, manager: Option<SocketAddr>, token: Option<&Path>) -> anyhow::Result<()> {
    let token = token.map(private_file::read).transpose()?.map(Zeroizing::new);
    set_disabled(args, true)?;
    let Some(manager) = manager else {
        say!("who is logged in stays so until its session ends; --manager-admin ADDR ends it now");
        return Ok(());
    };
    let id = number(&args.name);
    let token = token.as_ref().map(|text| text.trim());
    admin::post(manager, &format!("/api/evict/{}", id.0), token, "").with_context(|| {
        format!(
            "the account is disabled, but the manager at {manager} could not be told to evict number {}: \
             who is logged in stays so until its session ends (a manager with server.admin_token_file wants \
             --admin-token-file)",
            id.0
        )
    })?;
    say!("{}: evicted", args.name);
    Ok(())
}

fn change(database: Database, change: Change) -> anyhow::Result<()> {
    let writer = Writer::start(database).context("cannot start the writer")?;
    Ok(writer.change(change, clock::unix_ms()).wait()?)
}

/// One line an account; whoever reads may stop reading.
fn list(args: &DatabaseArgs) -> anyhow::Result<()> {
    let database = args.open()?;
    let mut out = stdout().lock();
    let mut last = String::new();
    loop {
        let page = database.list_after(&last)?;
        let Some(latest) = page.last() else { return Ok(()) };
        last.clone_from(&latest.name);
        for account in &page {
            let note = if account.disabled { "  disabled" } else { "" };
            match writeln!(out, "{:<32} {:>20}{note}", account.name, account.id.0) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
    }
}

/// Refuses a file that is there already.
fn check_absent(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        bail!(usage(anyhow::anyhow!("{}: is there already; name another file", path.display())));
    }
    Ok(())
}
