//! Who may depend on whom: the arrows of the architecture, checked against every manifest.
//!
//! The layers are worth something only while nobody reaches past them; one line in a `Cargo.toml` is enough
//! to lose that, so each new arrow has to be drawn here (and in an ADR) first.
//!
//! - Owns: the table of arrows.
//! - Invariant: dev-dependencies are free, but a pure crate's tests stay among the machines: they must run
//!   without a socket.
//!
//! Read next: `docs/architecture.md`, the section on arrows; `pure.rs`.

use super::manifest::{Package, packages};
use super::pure::PURE;
use super::{Finding, Tree};

const RULE: &str = "arrows";

/// Folders nothing depends on.
const TOPS: &[&str] = &["bench", "fuzz", "xtask"];
/// Folders that may depend on anything but the tops.
const UNBOUND: &[&str] = &["bench", "fuzz", "xtask", "usher"];
const SERVER: &[&str] = &["runtime", "logic", "store", "secure", "proto", "games"];
const ROOM: &[&str] = &["runtime", "logic", "store", "secure", "proto", "games", "workers"];
const EDGE_SERVER: &[&str] = &["hpserver", "runtime", "proto", "secure"];
const GATEWAY: &[&str] = &["hpserver", "runtime", "logic", "proto", "secure"];

/// For each folder, what it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("steady", &[]),
    ("completion", &[]),
    ("hpserver", &["completion", "steady"]),
    ("proto", &[]),
    ("games", &[]),
    ("logic", &["proto", "games", "steady"]),
    ("player", &["proto", "games"]),
    ("secure", &["proto"]),
    ("store", &["secure", "proto"]),
    ("runtime", &["hpserver", "proto", "secure"]),
    ("sim", &["logic", "player", "proto", "games"]),
    ("workers", &["hpserver", "runtime", "games", "proto", "secure"]),
    ("client-sim", &["runtime", "player", "secure", "proto", "games"]),
    ("echo", &["hpserver"]),
    ("push", EDGE_SERVER),
    ("gateway", GATEWAY),
    ("manager", SERVER),
    ("login", SERVER),
    ("hall", SERVER),
    ("room", ROOM),
];

pub(super) fn arrows(tree: &Tree) -> Vec<Finding> {
    packages(tree).0.iter().flat_map(|package| [product(package), tests(package)]).flatten().collect()
}

fn product(package: &Package<'_>) -> Vec<Finding> {
    let from = package.name.as_str();
    let known = ARROWS.iter().find(|(folder, _)| *folder == from).map(|(_, reach)| *reach);
    if known.is_none() && !UNBOUND.contains(&from) {
        let mend = format!("`{from}` has no row in the table of arrows: add one, and an ADR that says why");
        return vec![Finding::new(package.file, 1, RULE, mend)];
    }
    let may = |to: &str| !TOPS.contains(&to) && known.is_none_or(|reach| reach.contains(&to));
    let dependencies = package.dependencies();
    dependencies
        .iter()
        .filter_map(|dependency| dependency.of_project())
        .filter(|to| !may(to))
        .map(|to| {
            let reach = known.map_or_else(|| "anything but the tops".into(), |reach| reach.join(", "));
            refused(
                package,
                to,
                &format!("`{from}` may reach [{reach}]: ask a layer between, or write an ADR"),
            )
        })
        .collect()
}

fn tests(package: &Package<'_>) -> Vec<Finding> {
    let pure = PURE.contains(&package.name.as_str());
    let may = |to: &str| !TOPS.contains(&to) && (!pure || PURE.contains(&to) || to == "sim");
    let dependencies = package.dev_dependencies();
    let refused_ones =
        dependencies.iter().filter_map(|dependency| dependency.of_project()).filter(|to| !may(to));
    refused_ones
        .map(|to| refused(package, to, "tests here need no socket: move them to the crate that has one"))
        .collect()
}

fn refused(package: &Package<'_>, to: &str, mend: &str) -> Finding {
    let line = package.file.line_starting(&format!("usher-{to}"));
    Finding::new(package.file, line, RULE, format!("no arrow leads to `{to}`; {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, sections: &str) -> Vec<Finding> {
        let text = format!("[package]\nname = \"{name}\"\n{sections}");
        arrows(&Tree::of(&[("crates/x/Cargo.toml", &text)]))
    }

    #[test]
    fn arrows_that_are_drawn_may_be_used() {
        let cases = [
            ("usher-hpserver", "[dependencies]\nusher-completion.workspace = true\nbytes = \"1\""),
            ("usher-logic", "[dependencies]\nusher-proto.workspace = true\nusher-games.workspace = true"),
            ("usher-room", "[dependencies]\nusher-logic.workspace = true\nusher-store.workspace = true"),
            ("usher", "[dependencies]\nusher-room.workspace = true\nusher-client-sim.workspace = true"),
            ("usher-xtask", "[dependencies]\nusher.workspace = true"),
            ("usher-logic", "[dev-dependencies]\nusher-sim.workspace = true\nproptest = \"1\""),
            ("usher-runtime", "[dev-dependencies]\nusher-logic.workspace = true"),
        ];
        for (name, sections) in cases {
            assert_eq!(check(name, sections), [], "{name} with {sections}");
        }
    }

    #[test]
    fn arrows_that_are_not_drawn_are_refused() {
        let cases = [
            ("usher-hpserver", "[dependencies]\nusher-logic.workspace = true"),
            ("usher-logic", "[dependencies]\nusher-hpserver.workspace = true"),
            ("usher-player", "[dependencies]\nusher-logic.workspace = true"),
            ("usher-client-sim", "[dependencies]\nusher-store.workspace = true"),
            ("usher-echo", "[dependencies]\necho = { package = \"usher-runtime\", path = \".\" }"),
            ("usher-games", "[build-dependencies]\nusher-proto.workspace = true"),
            ("usher-games", "[target.'cfg(unix)'.dependencies]\nusher-proto.workspace = true"),
            ("usher", "[dependencies]\nusher-xtask.workspace = true"),
            ("usher-logic", "[dev-dependencies]\nusher-runtime.workspace = true"),
            ("usher-unheard-of", ""),
        ];
        for (name, sections) in cases {
            let findings = check(name, sections);
            assert_eq!(findings.len(), 1, "{name} with {sections}: {findings:?}");
        }
    }

    #[test]
    fn the_finding_points_at_the_line() {
        let findings = check(
            "usher-logic",
            "[dependencies]\nusher-proto.workspace = true\nusher-secure.workspace = true",
        );
        assert_eq!(findings[0].line, 5);
        assert!(
            findings[0]
                .mend
                .starts_with("no arrow leads to `secure`; `logic` may reach [proto, games, steady]")
        );
    }

    #[test]
    fn the_table_names_only_its_own_rows() {
        for (from, reach) in ARROWS {
            for to in *reach {
                assert!(ARROWS.iter().any(|(folder, _)| folder == to), "{from} -> {to}");
            }
        }
    }
}
