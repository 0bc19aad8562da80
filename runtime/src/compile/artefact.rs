//! Compiled plugins on disk: a directory with the machine code of each module and a description.
//!
//! ```text
//! <plugin hash>-<engine>/artefact.json     blueprint, what the plugin says of itself, hash of each file
//!                        0.cwasm, 1.cwasm  machine code of the modules, in their order
//! ```
//!
//! `engine` names the compiler, its settings and the processor: an artefact of another one is not looked at. A directory is
//! complete or it is not there: it is written under another name and renamed.

use std::hash::{Hash, Hasher};
use std::path::Path;

use serde::{Deserialize, Serialize};
use wasmtime::{Engine, Module};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::error::{InstallError, RuntimeError};
use crate::guest::{About, Blueprint, Inspected, Plugin};

const DESCRIPTION: &str = "artefact.json";

/// What is known of a compiled plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Artefact {
    pub(crate) blueprint: Blueprint,
    pub(crate) about: About,
    /// The contract that it speaks: 2 stands for 0.2.
    pub(crate) contract: u32,
    /// XXH3-128 of each module's file.
    hashes: Vec<String>,
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

/// Compiles what has passed the checks, and writes it to `dir`, which must not be there.
pub(super) fn write(
    engine: &Engine,
    inspected: &Inspected,
    (about, contract): (About, u32),
    dir: &Path,
    modules: &[Vec<u8>],
) -> Result<Artefact, InstallError> {
    let io = |action, path: &Path, error: &std::io::Error| InstallError::Storage(RuntimeError::io(action, path, error));
    debug_assert_eq!(modules.len(), inspected.modules.len(), "one file per module, by {}", engine_name(engine));
    std::fs::create_dir_all(dir).map_err(|error| io("create", dir, &error))?;
    for (number, code) in modules.iter().enumerate() {
        let file = dir.join(format!("{number}.cwasm"));
        std::fs::write(&file, code).map_err(|error| io("write", &file, &error))?;
    }
    let hashes = modules.iter().map(|code| hash(code)).collect();
    let artefact = Artefact { blueprint: inspected.blueprint.clone(), about, contract, hashes };
    let file = dir.join(DESCRIPTION);
    let json = serde_json::to_vec(&artefact).expect("an artefact has a JSON form");
    std::fs::write(&file, json).map_err(|error| io("write", &file, &error))?;
    Ok(artefact)
}

/// Reads an artefact; `None` if there is none, or none that is intact: it is compiled again then.
pub(crate) fn read(engine: &Engine, dir: &Path) -> Option<(Artefact, Plugin)> {
    let json = std::fs::read(dir.join(DESCRIPTION)).ok()?;
    let artefact: Artefact = serde_json::from_slice(&json).ok()?;
    let mut modules = Vec::with_capacity(artefact.hashes.len());
    for (number, expected) in artefact.hashes.iter().enumerate() {
        let file = dir.join(format!("{number}.cwasm"));
        let is_intact = std::fs::read(&file).is_ok_and(|code| hash(&code) == *expected);
        if !is_intact {
            tracing::warn!(file = %file.display(), "compiled plugin is damaged and will be compiled again");
            return None;
        }
        modules.push(map(engine, &file)?);
    }
    let plugin = Plugin::of(engine, artefact.blueprint.clone(), modules).ok()?;
    Some((artefact, plugin))
}

/// Maps machine code that this program has compiled.
#[expect(unsafe_code, reason = "mapped machine code is trusted; see SAFETY")]
fn map(engine: &Engine, file: &Path) -> Option<Module> {
    // SAFETY: the file was written by this program's compiler into a directory of its own, and its hash has just been checked
    // against the one that the compiler noted; the engine refuses code of other versions and settings by itself.
    unsafe { Module::deserialize_file(engine, file) }.ok()
}
