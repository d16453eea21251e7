//! `Cargo.toml` files as the rules read them: a package's name and what it depends on.
//!
//! - Owns: the many places a manifest may name a dependency in.
//! - Invariant: a dependency counts under its package's name, whatever it is renamed to.
//!
//! Read next: `arrows.rs`.

use toml::{Table, Value};

use super::{File, Finding, Tree};

/// The project's packages are `usher` and `usher-<folder>`.
const PREFIX: &str = "usher-";

/// One member of the workspace.
pub(super) struct Package<'a> {
    pub(super) file: &'a File,
    /// Without the prefix: `games`, `room`, `usher`.
    pub(super) name: String,
    table: Table,
}

/// One entry of a dependency table.
pub(super) struct Dependency {
    /// The package's name.
    pub(super) name: String,
    /// The entry as it stands in the manifest.
    pub(super) entry: Value,
}

impl Dependency {
    /// The name without prefix, if it is one of the project's packages.
    pub(super) fn of_project(&self) -> Option<&str> {
        if self.name == "usher" { Some("usher") } else { self.name.strip_prefix(PREFIX) }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.entry.get(key).and_then(Value::as_bool)
    }

    pub(super) fn features(&self) -> impl Iterator<Item = &str> {
        self.entry.get("features").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// The members, and a finding for each manifest that cannot be read.
pub(super) fn packages(tree: &Tree) -> (Vec<Package<'_>>, Vec<Finding>) {
    let mut packages = Vec::new();
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.name() == "Cargo.toml") {
        match file.text.parse::<Table>() {
            Ok(table) => packages.extend(package(file, table)),
            Err(error) => {
                findings.push(Finding::new(file, 1, "manifest", format!("mend it: {}", error.message())));
            }
        }
    }
    (packages, findings)
}

/// The root manifest is no package.
fn package(file: &File, table: Table) -> Option<Package<'_>> {
    let name = table.get("package")?.get("name")?.as_str()?;
    let name = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    Some(Package { file, name, table })
}

impl Package<'_> {
    /// What its code (or its build script) is built on, for every target.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        [self.entries("dependencies"), self.entries("build-dependencies")].into_iter().flatten().collect()
    }

    /// What its tests, examples and benches may use as well.
    pub(super) fn dev_dependencies(&self) -> Vec<Dependency> {
        self.entries("dev-dependencies")
    }

    fn entries(&self, section: &str) -> Vec<Dependency> {
        let targets = self.table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let of_targets = targets.filter_map(|target| target.get(section));
        self.table.get(section).into_iter().chain(of_targets).flat_map(dependencies_in).collect()
    }
}

/// The dependencies every member may inherit, from the root manifest.
pub(super) fn inherited(tree: &Tree) -> Vec<Dependency> {
    let table = tree.find("Cargo.toml").and_then(|file| file.text.parse::<Table>().ok()).unwrap_or_default();
    table
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .map(dependencies_in)
        .unwrap_or_default()
}

fn dependencies_in(section: &Value) -> Vec<Dependency> {
    let entries = section.as_table().into_iter().flatten();
    entries
        .map(|(key, entry)| {
            let name = entry.get("package").and_then(Value::as_str).unwrap_or(key);
            Dependency { name: name.to_owned(), entry: entry.clone() }
        })
        .collect()
}

/// Workspace lints reach only the members that ask for them.
pub(super) fn lints_are_inherited(tree: &Tree) -> Vec<Finding> {
    let (packages, mut findings) = packages(tree);
    let inherits = |package: &Package<'_>| {
        package.table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool)
            == Some(true)
    };
    findings.extend(packages.iter().filter(|package| !inherits(package)).map(|package| {
        Finding::new(
            package.file,
            1,
            "lints",
            "add `[lints] workspace = true`: workspace lints are not automatic",
        )
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_found_wherever_it_is_named() {
        let text = r#"
            [package]
            name = "usher-a"
            [dependencies]
            usher-b.workspace = true
            alias = { package = "usher-c", path = "../c" }
            [build-dependencies]
            cc = "1"
            [target.'cfg(unix)'.dependencies]
            libc = { version = "1", features = ["std"] }
            [dev-dependencies]
            proptest = "1"
        "#;
        let tree = Tree::of(&[("crates/a/Cargo.toml", text)]);
        let (packages, findings) = packages(&tree);
        assert_eq!((packages.len(), findings.len()), (1, 0));
        let names = |found: Vec<Dependency>| found.into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(packages[0].name, "a");
        assert_eq!(names(packages[0].dependencies()), ["usher-c", "usher-b", "libc", "cc"]);
        assert_eq!(names(packages[0].dev_dependencies()), ["proptest"]);
        let libc = &packages[0].dependencies()[2];
        assert_eq!(libc.features().collect::<Vec<_>>(), ["std"]);
    }

    #[test]
    fn lints() {
        let root = ("Cargo.toml", "[workspace]\n");
        let good = ("a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n");
        assert_eq!(lints_are_inherited(&Tree::of(&[root, good])), []);
        let bad = ("a/Cargo.toml", "[package]\nname = \"a\"\n");
        assert_eq!(lints_are_inherited(&Tree::of(&[root, bad])).len(), 1);
        let broken = ("a/Cargo.toml", "[package\n");
        assert_eq!(lints_are_inherited(&Tree::of(&[broken]))[0].rule, "manifest");
    }
}
