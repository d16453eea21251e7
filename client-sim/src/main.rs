//! `client-sim`: simulated players by the thousand. See `usher_client_sim`.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;
use usher_client_sim::SimArgs;

#[derive(Parser)]
#[command(name = "client-sim", version, about = "Plays thousands of players through an Usher cluster")]
struct Cli {
    #[command(flatten)]
    args: SimArgs,
}

fn main() -> ExitCode {
    usher_client_sim::main(&Cli::parse().args)
}
