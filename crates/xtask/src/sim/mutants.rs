//! Trees with one rule less: each must make the simulator fail, or it would not notice if the rule were lost.
//!
//! A mutant is a few replacements of text in a copy of the tree, so that the tree itself knows nothing of it.
//!
//! - Owns: the list of mutants, the copy and its own folder of build products; all in `sim-mutants` of the target folder.
//! - Invariants: what is replaced stands in the tree exactly once, so that a rule that has moved is noticed (by a
//!   test, too); nothing but the copy is written.
//!
//! Read next: `../sim.rs`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::{MUTANT_SEEDS, Options, build};
use crate::cargo::Workspace;

pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// What is gone.
    what: &'static str,
    edits: &'static [Edit],
}

struct Edit {
    file: &'static str,
    text: &'static str,
    becomes: &'static str,
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "generation",
        what: "an eviction asks nobody for the generation",
        edits: &[
            Edit {
                file: "crates/logic/src/room/door/exits.rs",
                text: ".filter(|(_, it)| it.identity.generation < below).collect();",
                becomes: ".collect();",
            },
            Edit {
                file: "crates/logic/src/room/door/exits.rs",
                text: "if guest.identity.generation < below && !matches!",
                becomes: "if !matches!",
            },
            Edit {
                file: "crates/logic/src/room/floor/room.rs",
                text: "is_some_and(|player| player.identity.generation < below)",
                becomes: "is_some_and(|_| below > Generation(0))",
            },
        ],
    },
    Mutant {
        name: "reservations",
        what: "a place that is kept counts as free",
        edits: &[Edit {
            file: "crates/logic/src/manager/arbitration.rs",
            text: "kept.insert(id, expires);",
            becomes: "let _ = kept;",
        }],
    },
    Mutant {
        name: "lease",
        what: "a lease does not end",
        edits: &[Edit {
            file: "crates/logic/src/manager/registry.rs",
            text: "server.lease_ends <= now)",
            becomes: "server.lease_ends <= now && now == Time(0))",
        }],
    },
    Mutant {
        name: "hops",
        what: "a redirect uses up none",
        edits: &[Edit {
            file: "crates/logic/src/manager/arbitration.rs",
            text: "let hops_left = arbitrate.hops_left.checked_sub(1)?;",
            becomes: "let hops_left = arbitrate.hops_left;",
        }],
    },
    Mutant {
        name: "proof",
        what: "a first frame does what its proof is needed for",
        edits: &[Edit {
            file: "crates/logic/src/room/door/mod.rs",
            text: "self.make_room_for_a_knock(identity, out);",
            becomes: "self.replace_idle(identity, conn, out);",
        }],
    },
    Mutant {
        name: "jump",
        what: "a manager that stood still ends leases at once",
        edits: &[Edit {
            file: "crates/logic/src/manager/mod.rs",
            text: "if away > self.config.lease / 2 && self.registry.len() > 0 {",
            becomes: "if away == Duration::MAX {",
        }],
    },
    Mutant {
        name: "gateway",
        what: "a gateway whose link broke goes on being given out",
        edits: &[
            Edit {
                file: "crates/logic/src/manager/placement.rs",
                text: "server.reported.filter(|_| server.takes_clients())?",
                becomes: "server.reported?",
            },
            Edit {
                file: "crates/logic/src/manager/placement.rs",
                text: "gateway.filter(|gateway| gateway.takes_clients())",
                becomes: "gateway",
            },
        ],
    },
];

pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = workspace.target.join("sim-mutants");
    let tree = folder.join("tree");
    let chosen = |it: &&Mutant| options.only.is_empty() || options.only.iter().any(|name| name == it.name);
    let (mut caught, mut survived) = (0, Vec::new());
    for mutant in MUTANTS.iter().filter(chosen) {
        println!("sim: without `{}`: {}", mutant.name, mutant.what);
        copy(&workspace.root, &tree, mutant)?;
        let mut cargo = workspace.cargo(&[]);
        // Warnings are of no interest: what is unused is so on purpose.
        cargo.current_dir(&tree).env("RUSTFLAGS", "-Awarnings");
        let program = build(cargo, &folder.join("target"))?;
        if is_caught(options, &program)? {
            caught += 1;
        } else {
            survived.push(mutant.name);
        }
    }
    ensure!(survived.is_empty(), "no seed misses these rules: {}", survived.join(", "));
    println!("sim: {caught} mutants, each made a seed fail");
    Ok(())
}

fn is_caught(options: &Options, program: &Path) -> Result<bool> {
    let mut command: Command = options.trials(program, options.seeds.unwrap_or(MUTANT_SEEDS));
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("starting {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|line| line.contains(" fails: ") || line.contains(" seeds from ")) {
        println!("  {line}");
    }
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => bail!("{command:?}: {}", output.status),
    }
}

/// Makes the copy what the tree is, but for the mutant; what is so already is left, so that cargo builds the rest alone.
fn copy(from: &Path, to: &Path, mutant: &Mutant) -> Result<()> {
    let mut edited = 0;
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let inside = path.strip_prefix(from).expect("invariant: read in it");
            if path.is_dir() {
                let is_source = !path.ends_with(".git") && !path.join("CACHEDIR.TAG").exists();
                folders.extend(is_source.then_some(path));
                continue;
            }
            let mut bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            for edit in mutant.edits.iter().filter(|edit| Path::new(edit.file) == inside) {
                bytes = edit.apply(&String::from_utf8(bytes)?)?.into_bytes();
                edited += 1;
            }
            write(&to.join(inside), &bytes)?;
        }
    }
    ensure!(edited == mutant.edits.len(), "`{}` names a file that is not there", mutant.name);
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

impl Edit {
    fn apply(&self, text: &str) -> Result<String> {
        let found = text.matches(self.text).count();
        ensure!(found == 1, "{}: `{}` is there {found} times, and must be once", self.file, self.text);
        Ok(text.replacen(self.text, self.becomes, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever moves a rule is told to move its mutant along.
    #[test]
    fn every_mutant_finds_its_rule_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for edit in MUTANTS.iter().flat_map(|mutant| mutant.edits) {
            let text = fs::read_to_string(root.join(edit.file)).unwrap();
            assert_ne!(edit.apply(&text).unwrap(), text, "{}", edit.file);
        }
    }

    #[test]
    fn a_rule_that_is_gone_or_there_twice_is_noticed() {
        let edit = Edit { file: "f", text: "is so", becomes: "is not so" };
        assert_eq!(edit.apply("it is so.").unwrap(), "it is not so.");
        assert!(edit.apply("it is.").is_err() && edit.apply("is so, is so").is_err());
    }

    #[test]
    fn mutant_names_differ() {
        for (index, mutant) in MUTANTS.iter().enumerate() {
            assert!(MUTANTS[..index].iter().all(|other| other.name != mutant.name), "{}", mutant.name);
        }
    }
}
