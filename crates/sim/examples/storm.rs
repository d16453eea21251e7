//! A storm of logins in virtual time, with outstanding reservations counted as load and without; a picture of each.
//!
//! `cargo run --release -p usher-sim --example storm -- --logins 1500000 --seconds 300 --charts docs/layers`
//!
//! Read next: `../src/storm.rs`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use usher_sim::Storm;

struct Arguments {
    logins: u32,
    seconds: u64,
    charts: Option<PathBuf>,
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments { logins: 1_500_000, seconds: 300, charts: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--logins" => found.logins = value.parse().ok()?,
            "--seconds" => found.seconds = value.parse().ok().filter(|seconds| *seconds > 0)?,
            "--charts" => found.charts = Some(value.into()),
            _ => return None,
        }
    }
    Some(found)
}

fn main() -> ExitCode {
    let Some(Arguments { logins, seconds, charts }) = arguments() else {
        eprintln!("usage: storm [--logins N] [--seconds S] [--charts DIR]");
        return ExitCode::from(2);
    };
    for (counts_reservations, name) in [(true, "counted"), (false, "uncounted")] {
        let within = Duration::from_secs(seconds);
        let course = Storm { logins, within, counts_reservations, seed: 1 }.run();
        let (worst, busy) = (course.unevenness(), course.busy().count());
        println!(
            "reservations {name}: max over mean {worst:.3} at worst in {busy} of {} windows; {} redirects, {} found nobody; {} steps",
            course.windows.len(),
            course.redirects,
            course.nobody,
            course.steps,
        );
        let Some(folder) = &charts else { continue };
        let title = format!(
            "{logins} logins in {seconds} s, reservations {name}: served + reserved a second, by server"
        );
        if let Err(error) = std::fs::write(folder.join(format!("storm-{name}.svg")), course.svg(&title)) {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
