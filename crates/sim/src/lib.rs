//! The same machines that run on servers, in virtual time, on a network made of seeded chance.
//!
//! Why: what goes wrong once in a million orders of events goes wrong here within a minute, and the seed
//! brings it back.
//! Owns: the virtual clock and network ([`World`]), the plan of a run ([`Scenario`]) and plans drawn by a seed
//! ([`Trial`]), the shadow model that knows what must hold between machines. Does not own: any rule of a machine.
//! Invariants: one seed, one run, event for event ([`World::trace`]); every machine's `check_invariants`
//! holds after its steps, all of them each virtual second.
//! Limits: a world that is not done by its scenario's `time_max` is a failure; so is a machine that spins.
//! Read next: `scenario.rs`, `fault.rs`, `world.rs`, `network.rs`, `shadow.rs`, `trial.rs`.
#![forbid(unsafe_code)]

mod fault;
mod machine;
mod network;
mod process;
mod random;
mod results;
mod scenario;
mod schedule;
mod shadow;
mod storm;
mod trial;
mod vault;
mod workers;
mod world;

pub use fault::Fault;
pub use scenario::{Scenario, node};
pub use storm::{Course, Storm, Window};
pub use trial::{Outcome, Trial};
pub use workers::Workers;
pub use world::World;
