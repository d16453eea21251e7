//! Every target over what it starts from: what fuzzing found once is not there again, on any machine.
//!
//! One test, for allocations are counted for the whole process.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use usher_fuzz::targets::TARGETS;

/// A seed is read by people too.
const SEED_BYTES_MAX: usize = 8 * 1024;
const SEEDS_MAX: usize = 20;

#[test]
fn every_seed_passes_its_target() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        assert!(home.join("src/targets").join(target.name).with_extension("rs").exists());
        let seeds: Vec<_> = fs::read_dir(home.join("corpus").join(target.name)).unwrap().collect();
        assert!((1..=SEEDS_MAX).contains(&seeds.len()), "{} has {} seeds", target.name, seeds.len());
        for seed in seeds {
            let path = seed.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(bytes.len() <= SEED_BYTES_MAX, "{} has {} bytes", path.display(), bytes.len());
            println!("{}", path.display());
            (target.run)(&bytes);
        }
    }
}
