//! The example plugin `smooth` in every language, and its machine code.
//!
//! Compiling JavaScript and Python takes half a minute, so it is done once for all tests: by a node of its own, whose
//! machine code is kept in `target/examples/compiled`, and to which the data directories of other nodes link. A plugin or
//! an engine that has changed has another name there, and is compiled anew.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::node::profile_dir;
use crate::{Node, NodeOptions};

/// The languages that have a template.
pub const LANGUAGES: [&str; 9] = ["assemblyscript", "c", "cpp", "go", "js", "python", "rust", "ts", "zig"];

/// Where the machine code of plugins lies in a node's data directory.
const COMPILED: &str = "runtime/plugins/compiled";

/// `smooth` in a language, installed once.
#[derive(Clone, Debug)]
pub struct Example {
    /// The folder in `sdk/`.
    pub language: &'static str,
    /// The module, as it is installed.
    pub wasm: PathBuf,
    /// Its hash.
    pub hash: String,
    /// The directory of its machine code.
    pub compiled: PathBuf,
}

/// The module of `smooth` in a language, which `sdk/build-examples.sh` has built.
///
/// # Errors
/// When it has not been built.
pub fn example_file(language: &str) -> Result<PathBuf> {
    let file = folder()?.join(format!("smooth-{language}.wasm"));
    file.is_file().then_some(file).with_context(|| format!("no example in {language}: run sdk/build-examples.sh first"))
}

fn folder() -> Result<PathBuf> {
    let profile = profile_dir()?;
    Ok(profile.parent().context("profiles lie in the target directory")?.join("examples"))
}

/// The examples in these languages, compiled by a node.
///
/// # Errors
/// When they have not been built, or what the node says.
pub fn examples(languages: &[&'static str]) -> Result<Vec<Example>> {
    let folder = folder()?;
    // Other tests and other processes wait here.
    let lock = File::create(folder.join("node.lock"))?;
    lock.lock()?;
    let (data, compiled) = (folder.join("node"), folder.join("compiled"));
    // What an older version has left in the journal is of no use.
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    std::fs::create_dir_all(data.join(COMPILED).parent().context("it lies in a folder")?)?;
    std::fs::create_dir_all(&compiled)?;
    symlink(std::path::absolute(compiled)?, data.join(COMPILED))?;
    let mut node = Node::start(&data, NodeOptions { replicas: 0, ..NodeOptions::default() })?;
    let installed = languages.iter().map(|language| install(&node, language)).collect();
    node.stop()?;
    installed
}

fn install(node: &Node, language: &'static str) -> Result<Example> {
    let wasm = example_file(language)?;
    let hash = node.client().install(&std::fs::read(&wasm)?)?;
    let compiled = node.data().join(COMPILED).canonicalize()?;
    for entry in std::fs::read_dir(&compiled)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&hash)) {
            return Ok(Example { language, wasm, hash, compiled: path });
        }
    }
    bail!("{language} was installed, but {} has no machine code for it", compiled.display())
}

/// Lays the machine code into the data directory of a node that is yet to start, so that it need not compile.
///
/// # Errors
/// When the directory cannot be written.
pub fn lay_in(examples: &[Example], data: &Path) -> Result<()> {
    let compiled = data.join(COMPILED);
    std::fs::create_dir_all(&compiled)?;
    for example in examples {
        let name = example.compiled.file_name().context("a compiled plugin has a name")?;
        symlink(&example.compiled, compiled.join(name))?;
    }
    Ok(())
}
