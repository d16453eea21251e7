//! A server as a command: `-c FILE`, `--print-config`, and exit codes that scripts can rely on.
//!
//! Why: `usher-room` and `usher room` are the same command; so is each of the others, but for its config.
//! Invariants: 0 it ended well, 1 it failed, 2 the usage or the config was wrong.
//! Read next: [`crate::server`].

use crate::config::{ConfigError, ConfigFile, Kind};
use crate::{leash, process, say};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use std::path::PathBuf;
use std::process::ExitCode;

/// One kind of server.
pub trait App {
    /// Its kind.
    const KIND: Kind;
    /// Its config, checked.
    type Config;

    /// Reads and checks a config file.
    fn load(file: &ConfigFile) -> Result<Self::Config, ConfigError>;

    /// The config with every default filled in.
    fn effective(config: &Self::Config) -> anyhow::Result<String>;

    /// Runs the server until it is told to stop.
    fn run(config: Self::Config) -> anyhow::Result<()>;
}

/// What every server takes on its command line.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// The config file; deploy/local/ has one of each kind
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: PathBuf,
    /// Print the config with every default filled in, and end
    #[arg(long)]
    pub print_config: bool,
    /// End with the process that started this one
    #[arg(long, hide = true)]
    pub die_with_parent: bool,
}

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    args: ServerArgs,
}

/// What stands below a server's `--help`, by the words that start it.
pub fn after_help(command: &str, kind: Kind) -> String {
    let config = match kind {
        Kind::Manager | Kind::Push | Kind::Gateway => format!("local/{}", kind.as_str()),
        Kind::Login | Kind::Hall | Kind::Room => format!("local/{}-1", kind.as_str()),
        Kind::Workers => "workers/workers".into(),
    };
    let config = format!("deploy/{config}.toml");
    format!(
        "Examples:\n  {command} -c {config}\n  {command} -c {config} --print-config\n\n\
         SIGTERM or Ctrl-C drains, a second one stops at once.\n\
         Exit codes: 0 ended well, 1 failed, 2 bad usage or config."
    )
}

/// The whole `main` of a server's own binary.
pub fn main<A: App>() -> ExitCode {
    if let Some(ended) = leash::obey() {
        return ended;
    }
    let about = match A::KIND {
        Kind::Workers => "Usher's host of workers".into(),
        kind => format!("Usher's {} server", kind.as_str()),
    };
    let after = after_help(&format!("usher-{}", A::KIND.as_str()), A::KIND);
    let matches = Cli::command().about(about).after_help(after).get_matches();
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => run::<A>(&cli.args),
        Err(error) => error.exit(),
    }
}

/// Runs a server with these arguments.
pub fn run<A: App>(args: &ServerArgs) -> ExitCode {
    if args.die_with_parent {
        process::die_with_parent();
    }
    let config = match ConfigFile::read(&args.config).and_then(|file| A::load(&file)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let ended = if args.print_config {
        A::effective(&config).map(|text| say!("{}", text.trim_end()))
    } else {
        A::run(config)
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
