//! `usher announce`, `usher drain` and `usher evict`: an operator's word, carried to the manager; `usher reload-workers`, to
//! whoever has them.
//!
//! Why: what is done at three in the morning should be a word and not a line of curl.
//! Owns: the four command lines. Does not own what comes of an order; that is the admin port's.
//! Invariants: exit codes are 0 it was ordered, 1 it was not and why, 2 bad usage. Nothing is asked for twice.
//! Read next: `usher_runtime::admin`, which takes the order; docs/operating.md.

use crate::status::{self, LOCAL_ADMIN};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use usher_client_sim::admin::{self, AdminError};
use usher_runtime::say;
use usher_secure::private_file;
use usher_store::number;
use zeroize::Zeroizing;

/// Whom to tell.
#[derive(Args, Clone, Debug)]
struct ManagerArgs {
    /// The manager's admin address
    #[arg(long, value_name = "ADDR", default_value = LOCAL_ADMIN)]
    admin: SocketAddr,
    /// The file with the manager's token, where it asks for one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What `announce` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher announce \"Closing at ten. Finish your hand.\"\n  \
    usher announce \"Back in an hour\" --admin 10.0.0.5:7090 --token-file admin.token\n\n\
    Exit codes: 0 every room server was told, 1 it was refused or the manager does not answer, 2 bad usage.")]
pub(crate) struct AnnounceArgs {
    /// What to say: one line of at most 512 bytes
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    manager: ManagerArgs,
}

/// What `drain` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher drain room-1                      # its players are led to other rooms, then it ends\n  \
    usher drain login-2 --admin 10.0.0.5:7090 --token-file admin.token\n\n\
    Exit codes: 0 it was ordered, 1 it was refused or the manager does not answer, 2 bad usage.")]
pub(crate) struct DrainArgs {
    /// The server's name, as `usher status` shows it
    #[arg(value_name = "SERVER")]
    server: String,
    #[command(flatten)]
    manager: ManagerArgs,
}

/// What `evict` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher evict ada                         # out now; may log in again\n  \
    usher evict 7340923184019235            # by the number that `usher account list` shows\n  \
    usher account disable ada --accounts accounts.db --manager-admin 127.0.0.1:7090   # and stays out\n\n\
    Exit codes: 0 it was ordered, 1 it was refused or the manager does not answer, 2 bad usage.")]
pub(crate) struct EvictArgs {
    /// The account: its name, or its number. Digits alone are a number
    #[arg(value_name = "ACCOUNT")]
    account: String,
    #[command(flatten)]
    manager: ManagerArgs,
}

/// What `reload-workers` is told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    usher reload-workers --admin 127.0.0.1:7091                # those of room-1, one after the other\n  \
    usher reload-workers --admin 10.0.0.9:7100 --token-file admin.token   # those of a host\n\n\
    Exit codes: 0 it has begun, 1 it was refused or nobody answers, 2 bad usage.")]
pub(crate) struct ReloadWorkersArgs {
    /// The admin address of the room server, or host, that has the workers
    #[arg(long, value_name = "ADDR")]
    admin: SocketAddr,
    /// The file with its token, where it asks for one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Has workers renewed, one after the other.
pub(crate) fn reload_workers(args: &ReloadWorkersArgs) -> ExitCode {
    let ReloadWorkersArgs { admin, token_file } = args.clone();
    order(&ManagerArgs { admin, token_file }, "/api/workers/reload", "")
}

/// Says something to every player who is in a room.
pub(crate) fn announce(args: &AnnounceArgs) -> ExitCode {
    order(&args.manager, "/api/announce", &args.text)
}

/// Has a server emptied.
pub(crate) fn drain(args: &DrainArgs) -> ExitCode {
    order(&args.manager, &format!("/api/drain/{}", admin::segment(&args.server)), "")
}

/// Ends every login that an account has.
pub(crate) fn evict(args: &EvictArgs) -> ExitCode {
    let number = args.account.parse().unwrap_or_else(|_| number(&args.account).0);
    order(&args.manager, &format!("/api/evict/{number}"), "")
}

fn order(manager: &ManagerArgs, path: &str, body: &str) -> ExitCode {
    let ManagerArgs { admin, token_file } = manager;
    let token = match token_file.as_deref().map(private_file::read).transpose() {
        Ok(token) => token.map(Zeroizing::new),
        Err(error) => {
            eprintln!("error: --token-file: {error}");
            return ExitCode::from(2);
        }
    };
    match admin::post(*admin, path, token.as_ref().map(|text| text.trim()), body) {
        Ok(done) => {
            say!("{}", done.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}", said(*admin, &error));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and what to do about it.
fn said(admin: SocketAddr, error: &AdminError) -> String {
    match error {
        AdminError::Silent(error) => status::silent(admin, error),
        AdminError::Refused { status: 401, why } => format!("{why}; name its file with --token-file"),
        AdminError::Refused { status: 404, why } if why.is_empty() => status::no_manager(admin),
        AdminError::Refused { why, .. } => why.clone(),
    }
}
