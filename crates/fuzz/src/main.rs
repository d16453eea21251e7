//! One fuzzer for all targets: which one it is, the environment says.
//!
//! Why: one program links in the time of one. Without `--cfg fuzzing` it says how it is meant to be built.
//! Read next: `lib.rs`; `crates/xtask/src/fuzz.rs`, which builds and runs it.
#![cfg_attr(fuzzing, no_main)]
#![allow(unexpected_cfgs, reason = "`cargo xtask fuzz` sets `fuzzing`; cargo does not know it")]

#[cfg(fuzzing)]
mod fuzzing {
    // The macro exports a function under the name that libFuzzer calls.
    #![allow(unsafe_code)]

    use std::sync::LazyLock;
    use usher_fuzz::targets::{TARGET_VARIABLE, Target};

    static TARGET: LazyLock<&Target> = LazyLock::new(|| {
        let name = std::env::var(TARGET_VARIABLE).expect("the name of a target in the environment");
        Target::of(&name).expect("a target of that name")
    });

    libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
}

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("this is built to fuzz by `cargo xtask fuzz`, and does nothing otherwise");
    std::process::exit(2);
}
