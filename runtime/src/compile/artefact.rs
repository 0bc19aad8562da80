//! Compiled plugins on disk: a directory with the machine code of each module and a description.
//!
//! ```text
//! <plugin hash>-<engine>/artefact.json     a line with the hash of the rest; blueprint, what the plugin says of itself, hash
//!                                          of each file
//!                        0.cwasm, 1.cwasm  machine code of the modules, in their order
//!                        0.lines, 1.lines  which source lines it comes from, as JSON; `null` if the module does not say
//! ```
//!
//! `engine` names the compiler, its settings and the processor: an artefact of another one is not looked at. A directory is
//! complete or it is not there: it is written under another name and renamed.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasmtime::{Engine, Module};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::error::{InstallError, RuntimeError};
use crate::guest::{About, Blueprint, Plugin, Sources};

const DESCRIPTION: &str = "artefact.json";
/// Characters of a hash.
const HASH_CHARS: usize = 32;

/// What is known of a compiled plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Artefact {
    pub(crate) blueprint: Blueprint,
    pub(crate) about: About,
    /// The contract that it speaks: 2 stands for 0.2.
    pub(crate) contract: u32,
    /// XXH3-128 of each module's machine code.
    hashes: Vec<String>,
    /// XXH3-128 of each module's lines.
    lines: Vec<String>,
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// A name for what compiled code depends on: the compiler, its settings, the processor.
pub(crate) fn engine_name(engine: &Engine) -> String {
    let mut hasher = Xxh3::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Writes a compiled plugin to `dir`, which must not be there.
pub(super) fn write(plugin: &Plugin, about: About, contract: u32, dir: &Path) -> Result<Artefact, InstallError> {
    let io = |action, path: &Path, error: &std::io::Error| InstallError::Storage(RuntimeError::io(action, path, error));
    std::fs::create_dir_all(dir).map_err(|error| io("create", dir, &error))?;
    let put = |name: String, bytes: &[u8]| {
        let file = dir.join(name);
        std::fs::write(&file, bytes).map_err(|error| io("write", &file, &error)).map(|()| hash(bytes))
    };
    let (mut hashes, mut lines) = (Vec::new(), Vec::new());
    for (number, (code, map)) in plugin.serialize()?.iter().zip(plugin.source_maps()).enumerate() {
        hashes.push(put(code_file(number), code)?);
        lines.push(put(lines_file(number), &serde_json::to_vec(&map).expect("a map has a JSON form"))?);
    }
    let artefact = Artefact { blueprint: plugin.blueprint().clone(), about, contract, hashes, lines };
    let json = serde_json::to_vec(&artefact).expect("an artefact has a JSON form");
    put(DESCRIPTION.to_owned(), &[hash(&json).as_bytes(), b"\n", &json].concat())?;
    Ok(artefact)
}

fn code_file(number: usize) -> String {
    format!("{number}.cwasm")
}

fn lines_file(number: usize) -> String {
    format!("{number}.lines")
}

/// Reads an artefact; `None` if there is none, or none that is intact: it is compiled again then.
pub(crate) fn read(engine: &Engine, dir: &Path) -> Option<(Artefact, Plugin)> {
    let description = std::fs::read(dir.join(DESCRIPTION)).ok()?;
    let (head, json) = description.split_at_checked(HASH_CHARS)?;
    let json = json.strip_prefix(b"\n").filter(|json| hash(json).as_bytes() == head)?;
    let artefact: Artefact = serde_json::from_slice(json).ok()?;
    let (mut modules, mut lines) = (Vec::with_capacity(artefact.hashes.len()), Vec::new());
    for (number, (code_hash, lines_hash)) in artefact.hashes.iter().zip(&artefact.lines).enumerate() {
        let code = intact(dir.join(code_file(number)), code_hash)?;
        lines.push(intact(dir.join(lines_file(number)), lines_hash)?);
        modules.push(map(engine, &code)?);
    }
    let sources = Sources::in_files(&modules, lines);
    let plugin = Plugin::of(engine, artefact.blueprint.clone(), modules, sources).ok()?;
    Some((artefact, plugin))
}

/// The file, if it is what was written.
fn intact(file: PathBuf, expected: &str) -> Option<PathBuf> {
    if std::fs::read(&file).is_ok_and(|bytes| hash(&bytes) == expected) {
        return Some(file);
    }
    tracing::warn!(file = %file.display(), "compiled plugin is damaged and will be compiled again");
    None
}

/// Maps machine code that this program has compiled.
#[expect(unsafe_code, reason = "mapped machine code is trusted; see SAFETY")]
fn map(engine: &Engine, file: &Path) -> Option<Module> {
    // SAFETY: the file was written by this program's compiler into a directory of its own, and its hash has just been checked
    // against the one that the compiler noted; the engine refuses code of other versions and settings by itself.
    unsafe { Module::deserialize_file(engine, file) }.ok()
}
