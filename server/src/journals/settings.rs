//! Settings of a journal from a file: `key = value` lines, for secrets and tuning.
//!
//! Empty lines and lines that begin with `#` say nothing. A key stands once. What keys there are is the backend's affair;
//! where each was written is known here, so that errors name file and line. Values may be secrets: they are shown nowhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use tidemill_journal::JournalError;

use crate::NodeError;

/// Largest settings file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Settings and where they come from.
#[derive(Clone, Default)]
pub struct Settings {
    file: PathBuf,
    values: BTreeMap<String, String>,
    lines: BTreeMap<String, usize>,
}

/// Why a settings file is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read the journal's settings from {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// A line is wrong.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it; never its value.
        reason: String,
    },
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or a line is not `key = value`.
    pub fn load(file: &Path) -> Result<Self, SettingsError> {
        let unreadable = |reason: String| SettingsError::Unreadable { file: file.display().to_string(), reason };
        let bytes = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(unreadable(format!("it has {bytes} bytes, at most {FILE_BYTES_MAX} are read")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(file, &text)
    }

    /// Reads the text of `file`.
    ///
    /// # Errors
    /// When a line is not `key = value`.
    pub fn parse(file: &Path, text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self { file: file.to_owned(), ..Self::default() };
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let wrong = |reason: String| SettingsError::Line { file: file.display().to_string(), line, reason };
            let (key, value) = content.split_once('=').ok_or_else(|| wrong("this is not key = value".to_owned()))?;
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() {
                return Err(wrong("there is no key before the =".to_owned()));
            }
            if let Some(before) = settings.lines.insert(key.to_owned(), line) {
                return Err(wrong(format!("{key:?} stands in line {before} already")));
            }
            settings.values.insert(key.to_owned(), value.to_owned());
        }
        Ok(settings)
    }

    /// The settings by key.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// The error with file and line, if it speaks of a setting from here.
    pub(crate) fn locate(&self, error: JournalError) -> NodeError {
        let JournalError::Invalid { reason } = &error else { return error.into() };
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let mut words = reason.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches('.'));
        match words.find(|word| self.lines.contains_key(*word)) {
            Some(key) => self.wrong(key, reason.as_str()).into(),
            None => error.into(),
        }
    }

    /// An error about the setting `key`, or about the file as a whole if it has no such key.
    pub(crate) fn wrong(&self, key: &str, reason: impl Into<String>) -> SettingsError {
        let (file, line) = (self.file.display().to_string(), self.lines.get(key).copied().unwrap_or(1));
        SettingsError::Line { file, line, reason: reason.into() }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("file", &self.file).field("keys", &self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keys_and_values_and_the_rest_is_said_with_its_place() {
        let parse = |text: &str| Settings::parse(Path::new("/etc/t.conf"), text);
        let settings = parse("# secrets\n\n sasl.password = a=b \nretries=3\n").unwrap();
        let pairs: Vec<_> = settings.values().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("retries", "3"), ("sasl.password", "a=b")]);
        for (text, expected) in [
            ("a=1\nhunter2\n", "/etc/t.conf:2: this is not key = value"),
            ("=hunter2", "/etc/t.conf:1: there is no key before the ="),
            ("a=1\n\na=hunter2", "/etc/t.conf:3: \"a\" stands in line 1 already"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_a_backend_says_of_a_setting_gets_its_line() {
        let settings = Settings::parse(Path::new("k.conf"), "acks=1\n\nretries=5").unwrap();
        let locate = |reason: &str| settings.locate(JournalError::Invalid { reason: reason.to_owned() }).to_string();
        assert_eq!(locate("property retries is not for the user"), "k.conf:3: property retries is not for the user");
        assert_eq!(locate("there is no setting \"acks\""), "k.conf:1: there is no setting \"acks\"");
        assert_eq!(locate("the URL names no acks.place"), "the URL names no acks.place");
    }

    #[test]
    fn values_are_never_shown() {
        let settings = Settings::parse(Path::new("t"), "password=hunter2").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!settings.wrong("password", "unknown").to_string().contains("hunter2"));
    }
}
