//! A plugin's project on disk: what its `plugin.toml` says.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item};

use crate::exit::{Exit, ended};

/// The file that makes a directory a project.
pub const MANIFEST: &str = "plugin.toml";
const KEYS: [&str; 6] = ["name", "language", "build", "wasm", "test", "sources"];

/// What `plugin.toml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// Where it lies.
    pub dir: PathBuf,
    /// The plugin's name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// The shell command that builds it.
    pub build: String,
    /// The file that building leaves, relative to the directory.
    pub wasm: PathBuf,
    /// The shell command that runs its native tests, if it has any.
    pub test: Option<String>,
    /// Patterns of names and directories that `dev` watches.
    pub sources: Vec<String>,
}

impl Project {
    /// Reads the project in `dir`; `None` if it has no `plugin.toml`.
    ///
    /// # Errors
    /// When there is no such directory, or the file is not understood.
    pub fn open(dir: &Path) -> anyhow::Result<Option<Self>> {
        if !dir.is_dir() {
            return Err(ended(Exit::NotFound, format!("{} is not a directory", dir.display())));
        }
        let path = dir.join(MANIFEST);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(dir, &text).map(Some).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))
    }

    fn parse(dir: &Path, text: &str) -> Result<Self, String> {
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
        if let Some((unknown, _)) = document.iter().find(|(key, _)| !KEYS.contains(key)) {
            return Err(format!("{unknown:?} is unknown; it takes {}", KEYS.join(", ")));
        }
        let optional = |key: &str| match document.get(key) {
            None => Ok(None),
            Some(item) => item.as_str().map(str::to_owned).map(Some).ok_or(format!("{key} must be a string")),
        };
        let required = |key: &str| optional(key)?.ok_or(format!("{key} is missing: add {key} = \"…\""));
        Ok(Self {
            dir: dir.to_owned(),
            name: required("name")?,
            language: required("language")?,
            build: required("build")?,
            wasm: required("wasm")?.into(),
            test: optional("test")?,
            sources: document.get("sources").map_or(Ok(Vec::new()), strings)?,
        })
    }

    /// The file that building leaves.
    pub fn wasm_path(&self) -> PathBuf {
        self.dir.join(&self.wasm)
    }

    /// Runs one of the project's shell commands in its directory; what it prints goes to standard error.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn run(&self, command: &str) -> anyhow::Result<ExitStatus> {
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()))
            .status();
        status.with_context(|| format!("run {command:?} in {}", self.dir.display()))
    }

    /// Builds the plugin. Returns the file.
    ///
    /// # Errors
    /// When it does not build, or leaves no file.
    pub fn build(&self) -> anyhow::Result<PathBuf> {
        let status = self.run(&self.build)?;
        if !status.success() {
            return Err(ended(
                Exit::Failure,
                format!("the plugin does not build: {:?} ended with {status}", self.build),
            ));
        }
        let wasm = self.wasm_path();
        anyhow::ensure!(wasm.is_file(), "{:?} has not made {}: see {MANIFEST}", self.build, wasm.display());
        Ok(wasm)
    }
}

fn strings(item: &Item) -> Result<Vec<String>, String> {
    let texts = item.as_array().map(|array| array.iter().map(|value| value.as_str().map(str::to_owned)));
    texts.and_then(Iterator::collect).ok_or_else(|| "sources must be a list of strings".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "name = \"p\"\nlanguage = \"c\"\nbuild = \"sh build.sh\" # here\nwasm = \"p.wasm\"\n";

    #[test]
    fn a_manifest_is_read_and_what_it_lacks_is_named() {
        let project = Project::parse(Path::new("d"), &format!("{WHOLE}sources = [\"*.c\", \"tidemill\"]\n")).unwrap();
        assert_eq!((project.test.as_deref(), project.sources.len()), (None, 2));
        assert_eq!(project.wasm_path(), Path::new("d/p.wasm"));
        let refusal = |text: &str| Project::parse(Path::new("d"), text).unwrap_err();
        assert!(refusal("name = \"p\"").contains("language is missing"));
        assert!(refusal(&format!("{WHOLE}tset = \"x\"")).contains("\"tset\" is unknown"));
        assert!(refusal(&format!("{WHOLE}test = 3")).contains("test must be a string"));
        assert!(refusal(&format!("{WHOLE}sources = 3")).contains("list of strings"));
        assert!(refusal("name =").contains("TOML parse error"));
    }
}
