//! A config file as text.
//!
//! Why: an error names file, line and field, and only the text says where a field stands.
//! Owns: the text, and which line of it a field has. Does not own what a field may be: the parent, and each server.
//! Invariants: a field is called `section.key`, as its reader would say it.
//! Read next: [`super::ConfigError`].

use super::{ConfigError, nearest};
use serde::de::DeserializeOwned;
use std::fs;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

/// A config file as text: parses it, and finds the line of a field for whoever checks it.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self { path: path.into(), text }),
            Err(error) => Err(ConfigError {
                file: path.into(),
                line: None,
                field: String::new(),
                message: format!("cannot be read: {error}"),
            }),
        }
    }

    /// A file that is already here, for tests and embedded configs.
    pub fn from_text(path: &Path, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Parses the whole file as `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| {
            let line = error.span().map(|span| self.line_at(span.start));
            let field = line.map(|line| self.field_in(line)).unwrap_or_default();
            let message = nearest::with_suggestion(error.message());
            ConfigError { file: self.path.clone(), line, field, message }
        })
    }

    /// The error that `field` (as `section.key`) is wrong.
    pub fn wrong(&self, field: &str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.path.clone(),
            line: self.line_of(field),
            field: field.into(),
            message: message.into(),
        }
    }

    /// The error that what stands at `span`, in bytes of the text, is wrong; for fields that a file has several of.
    pub fn wrong_at(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let line = self.line_at(span.start);
        let field = self.field_in(line);
        ConfigError { file: self.path.clone(), line: Some(line), field, message: message.into() }
    }

    /// A path in the config, relative to the file's own folder.
    pub fn relative(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(path)
    }

    /// Refuses the first field whose value is out of its range.
    pub fn check_ranges(&self, fields: &[(&str, u64, RangeInclusive<u64>)]) -> Result<(), ConfigError> {
        let Some((field, value, range)) = fields.iter().find(|(_, value, range)| !range.contains(value))
        else {
            return Ok(());
        };
        let bound = if value < range.start() {
            format!("must be at least {}", range.start())
        } else {
            format!("must be at most {}", range.end())
        };
        Err(self.wrong(field, bound))
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// Which `section.key` stands in a line.
    fn field_in(&self, line: usize) -> String {
        let mut section = String::new();
        for text in self.text.lines().take(line) {
            if let Some(name) = section_of(text) {
                section = name;
            }
        }
        let key =
            self.text.lines().nth(line - 1).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
        match (section.as_str(), key) {
            (_, None) => section,
            ("", Some(key)) => key.into(),
            (section, Some(key)) => format!("{section}.{key}"),
        }
    }

    fn line_of(&self, field: &str) -> Option<usize> {
        let lines = 1..=self.text.lines().count();
        lines.clone().find(|line| self.field_in(*line) == field).or_else(|| {
            let section = format!("[{field}]");
            lines
                .clone()
                .find(|line| self.text.lines().nth(line - 1).is_some_and(|text| text.trim() == section))
        })
    }
}

fn section_of(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix('[')?.split(']').next()?;
    Some(name.trim_start_matches('[').trim().into())
}
