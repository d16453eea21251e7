//! The targets, by name.
//!
//! Read next: any of them; each begins with what it must hold against.

mod config;
mod frames;
mod greeting;
mod json_lines;
mod messages;
mod scram;
mod ticket;

/// What names the target to the fuzzer.
pub const TARGET_VARIABLE: &str = "USHER_FUZZ_TARGET";

/// Something that takes strangers' bytes.
pub struct Target {
    /// Its file below `targets/`, and its folder below `corpus/`.
    pub name: &'static str,
    /// Panics if bytes do what they must not.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "config", run: config::run },
    Target { name: "frames", run: frames::run },
    Target { name: "greeting", run: greeting::run },
    Target { name: "json_lines", run: json_lines::run },
    Target { name: "messages", run: messages::run },
    Target { name: "scram", run: scram::run },
    Target { name: "ticket", run: ticket::run },
];

impl Target {
    /// The target of that name.
    pub fn of(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
