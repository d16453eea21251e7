//! `bench`: runs the benches; `cargo xtask bench` builds it in release and hands it the command line.
//!
//! A program of its own, so that to build xtask is not to build what the benches need.
//!
//! Read next: in `usher_bench`, the module of each.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use usher_bench::{broadcast, buffers, echo, gateway, instructions, layer1, layer2, manager, push, workers};
use usher_runtime::leash;

/// Measures the stations side by side with their peers.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    Echo(echo::Options),
    Broadcast(broadcast::Options),
    Gateway(gateway::Options),
    Instructions(instructions::Options),
    Layer1(layer1::Options),
    Layer2(layer2::Options),
    Manager(manager::Options),
    Push(push::Options),
    Buffers(buffers::Options),
    Workers(workers::Options),
}

fn main() -> ExitCode {
    if let Some(ended) = leash::obey() {
        return ended;
    }
    let result = match &Arguments::parse().bench {
        Bench::Echo(options) => echo::run(options),
        Bench::Instructions(options) => instructions::run(options),
        Bench::Broadcast(options) => broadcast::run(options),
        Bench::Gateway(options) => gateway::run(options),
        Bench::Layer1(options) => layer1::run(options),
        Bench::Layer2(options) => layer2::run(options),
        Bench::Manager(options) => manager::run(options),
        Bench::Push(options) => push::run(options),
        Bench::Buffers(options) => buffers::run(options),
        Bench::Workers(options) => workers::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
