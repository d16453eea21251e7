//! What is wrong with a config: file, line, field, and how to mend it.
//!
//! Read next: [`super::ConfigFile`], which finds the line.

use std::fmt;
use std::path::PathBuf;

/// A config that cannot be used: the operator's to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none if the field is missing or the file cannot be read.
    pub line: Option<usize>,
    /// The field, as `section.key`; empty if the file is no TOML.
    pub field: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}
