//! The files of the workspace as the rules see them: paths from the root, and text.
//!
//! - Owns: which files count. Build products and version control do not.
//! - Invariant: paths are relative to the root, with `/` between their parts, and sorted.
//! - Limit: a file that is not UTF-8 is listed, so that links find it, with no text.
//!
//! Read next: `rust.rs`.

use std::path::Path;

use anyhow::{Context, Result};

/// Folders that are no part of the tree, wherever they are; the last is the built book.
const SKIPPED: &[&str] = &[".git", "target", "book"];

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// The file's last name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    /// The line (from 1) where `needle` first begins a line, or 1: good enough to point at.
    pub(super) fn line_starting(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.trim_start().starts_with(needle)).map_or(1, |index| index + 1)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add_folder(root, "")?;
        tree.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(tree)
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.into(), text: text.into() };
        Self { files: files.iter().map(file).collect() }
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.add_folder(&entry.path(), &format!("{prefix}{name}/"))?;
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path())?;
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.files.push(File { path: format!("{prefix}{name}"), text });
            }
        }
        Ok(())
    }

    pub(super) fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or a folder of this path is here; the empty path is the root.
    pub(super) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    pub(super) fn with_extension(&self, extension: &'static str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.has_extension(extension))
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.with_extension("rs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_crate_is_read_as_it_lies() {
        let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(tree.find("src/tidy/tree.rs").is_some_and(|file| file.text.starts_with("//! The files")));
        assert!(tree.holds("src/tidy") && tree.holds("") && tree.holds("Cargo.toml"));
        assert!(!tree.holds("src/tid") && !tree.holds("src/none.rs"));
        assert!(tree.files.is_sorted_by(|one, other| one.path < other.path));
    }
}
