//! What is seen in a Wasm file, whether it is accepted or not.

use super::blueprint::World;
use super::granted;
use super::module::CoreModule;
use crate::error::InstallError;
use crate::guest::Inspected;

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// A function that a plugin wants of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The module or interface.
    pub module: String,
    /// The function.
    pub name: String,
    /// Whether the host gives it.
    pub is_granted: bool,
}

impl Import {
    pub(super) fn new(module: &str, name: &str) -> Self {
        Self { module: module.to_owned(), name: name.to_owned(), is_granted: granted::is_granted(module, name) }
    }
}

/// A core module of a plugin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModuleFacts {
    /// Its size.
    pub bytes: usize,
    /// Functions that it defines.
    pub functions: u32,
    /// Its memory at the start and at most, bytes; `None` if it defines none.
    pub memory: Option<(u64, Option<u64>)>,
    /// Mutable globals: with the memory, what a checkpoint holds.
    pub mutable_globals: usize,
    /// Whether a trap can name its functions.
    pub has_names: bool,
    /// Whether a trap can name source lines.
    pub has_lines: bool,
}

/// What is seen in a Wasm file, and everything that speaks against it.
#[derive(Debug, Default)]
pub struct Survey {
    /// A component rather than a core module.
    pub is_component: bool,
    /// Its size.
    pub bytes: usize,
    /// Its core modules.
    pub modules: Vec<ModuleFacts>,
    /// What it wants of the host.
    pub imports: Vec<Import>,
    /// Functions of the contract that it has.
    pub exports: Vec<String>,
    /// Its world, if its exports tell.
    pub world: Option<World>,
    /// Every reason against it.
    pub refusals: Vec<InstallError>,
    pub(super) inspected: Option<Inspected>,
}

impl Survey {
    /// Reads a core module and takes down what is seen in it.
    pub(super) fn add_module(&mut self, wasm: &[u8]) -> CoreModule {
        let mut module = CoreModule::read(wasm);
        self.refusals.append(&mut module.refusals);
        let pages = |pages: u64| pages.saturating_mul(PAGE_BYTES);
        self.modules.push(ModuleFacts {
            bytes: wasm.len(),
            functions: module.functions,
            memory: module.memories.first().map(|memory| (pages(memory.initial), memory.maximum.map(pages))),
            mutable_globals: module.mutable_globals.len(),
            has_names: module.has_custom("name"),
            has_lines: module.has_custom(".debug_line"),
        });
        module
    }

    /// The plugin, if nothing speaks against it.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn into_inspected(self) -> Result<Inspected, InstallError> {
        match self.refusals.into_iter().next() {
            Some(refusal) => Err(refusal),
            None => Ok(self.inspected.expect("what nothing speaks against is accepted")),
        }
    }
}
