//! What a Wasm file must look like before it is compiled, and the one change that is made to it.
//!
//! The steps:
//! 1. it is a core module of at most [`PLUGIN_BYTES_MAX`] that validates, or a component around one;
//! 2. it imports nothing but the host's `log`;
//! 3. it is of a shape that compiles in bounded memory: a small valid module with one huge function can take the
//!    compiler past ten gigabytes;
//! 4. all of its state lies in one 32-bit memory and in numeric globals, because that is what an image holds;
//! 5. its exports say which world it is of;
//! 6. every mutable global is exported under a name of ours, so that images can hold it. Between calls the guest's
//!    stack is empty, so nothing else is state.

use wasmparser::{ExternalKind, FunctionBody, MemoryType, Operator, Parser, Payload, TypeRef};
use wasmtime::{Engine, Module};

use super::component::core_module;
use crate::error::InstallError;

/// Largest plugin, bytes.
pub const PLUGIN_BYTES_MAX: usize = (16 << 20) - (1 << 10);
/// Most locals of one function. Compilers of real languages stay below a tenth of it.
const LOCALS_MAX: u64 = 10_000;
/// Most locals times bytes of one function: the compiler's memory grows with this product.
const LOCALS_TIMES_BYTES_MAX: u64 = 1 << 30;
/// Largest function, bytes.
const FUNCTION_BYTES_MAX: u64 = 2 << 20;

/// The only module that a guest may import from.
pub(crate) const HOST_MODULE: &str = "tidemill:plugin/host@0.1.0";
/// The only function in it.
pub(crate) const HOST_LOG: &str = "log";
/// Exports that [`inspect`] adds begin with this.
pub(crate) const GLOBAL_PREFIX: &str = "tidemill:global:";

const EXPORT_SECTION: u8 = 7;
const EXPORT_KIND_GLOBAL: u8 = 3;

/// Which kind of plugin a module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// Samples in, samples out, with state.
    Calculation,
    /// A pure function over closed windows.
    Aggregation,
}

impl World {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            World::Calculation => "calculation",
            World::Aggregation => "aggregation",
        }
    }
}

/// A module that has passed the checks.
#[derive(Debug)]
pub struct Inspected {
    /// Its world.
    pub world: World,
    /// The module with its mutable globals exported.
    pub wasm: Vec<u8>,
    /// How many globals that are.
    pub globals: usize,
}

/// What one walk over the module collects.
#[derive(Default)]
struct Walk {
    sections: Vec<(u8, std::ops::Range<usize>)>,
    foreign_imports: Vec<String>,
    exports: Vec<(String, ExternalKind)>,
    /// Where the entries of the export section begin, and how many there are.
    export_entries: (usize, u32),
    mutable_globals: Vec<u32>,
    memories: Vec<MemoryType>,
}

/// Checks `wasm` and exports its state.
///
/// # Errors
/// The reason, for the author of the plugin.
pub fn inspect(engine: &Engine, wasm: &[u8]) -> Result<Inspected, InstallError> {
    if wasm.len() > PLUGIN_BYTES_MAX {
        return Err(InstallError::TooLarge { bytes: wasm.len(), limit: PLUGIN_BYTES_MAX });
    }
    let wasm = if Parser::is_component(wasm) { core_module(wasm)? } else { wasm };
    if !Parser::is_core_wasm(wasm) {
        return Err(InstallError::NotWasm { reason: "it does not begin like a WebAssembly module".into() });
    }
    Module::validate(engine, wasm).map_err(|error| InstallError::NotWasm { reason: format!("{error:#}") })?;
    let walk = Walk::over(wasm)?;
    walk.check_imports()?;
    walk.check_memory()?;
    Ok(Inspected { world: walk.world()?, globals: walk.mutable_globals.len(), wasm: walk.with_globals_exported(wasm) })
}

pub(super) fn refused(reason: impl Into<String>) -> InstallError {
    InstallError::Refused { reason: reason.into() }
}

impl Walk {
    fn over(wasm: &[u8]) -> Result<Self, InstallError> {
        let mut walk = Self::default();
        let damaged = |error: wasmparser::BinaryReaderError| InstallError::NotWasm { reason: error.to_string() };
        let mut function = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(damaged)?;
            walk.sections.extend(payload.as_section());
            match payload {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(damaged)?;
                        let is_log = (import.module, import.name) == (HOST_MODULE, HOST_LOG);
                        if !is_log || !matches!(import.ty, TypeRef::Func(_)) {
                            walk.foreign_imports.push(format!("{}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    walk.memories = section.into_iter().collect::<Result<_, _>>().map_err(damaged)?;
                }
                Payload::GlobalSection(section) => {
                    for (index, global) in (0..).zip(section) {
                        walk.add_global(index, global.map_err(damaged)?.ty)?;
                    }
                }
                Payload::ExportSection(section) => {
                    walk.export_entries = (section.original_position(), section.count());
                    for export in section {
                        let export = export.map_err(damaged)?;
                        walk.exports.push((export.name.to_owned(), export.kind));
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    check_function(function, &body)?;
                    function += 1;
                }
                _ => {}
            }
        }
        Ok(walk)
    }

    fn add_global(&mut self, index: u32, ty: wasmparser::GlobalType) -> Result<(), InstallError> {
        if ty.mutable && ty.content_type.is_reference_type() {
            return Err(refused(format!("global {index} is a mutable reference, which a checkpoint cannot hold")));
        }
        if ty.mutable {
            self.mutable_globals.push(index);
        }
        Ok(())
    }

    fn check_imports(&self) -> Result<(), InstallError> {
        if self.foreign_imports.is_empty() {
            return Ok(());
        }
        Err(InstallError::ForeignImports { imports: self.foreign_imports.join(", ") })
    }

    fn check_memory(&self) -> Result<(), InstallError> {
        match self.memories.as_slice() {
            [memory] if memory.memory64 || memory.shared || memory.page_size_log2.is_some() => Err(refused(
                "its memory is 64-bit, shared or of an unusual page size; build for wasm32-unknown-unknown",
            )),
            [_] => Ok(()),
            memories => Err(refused(format!("it has {} memories, it needs exactly one", memories.len()))),
        }
    }

    fn has(&self, name: &str, kind: ExternalKind) -> bool {
        self.exports.iter().any(|(n, k)| n == name && *k == kind)
    }

    /// The world, by the exports there are.
    fn world(&self) -> Result<World, InstallError> {
        let func = |name| self.has(name, ExternalKind::Func);
        let (world, required): (_, &[&str]) = match (func("process"), func("aggregate")) {
            (true, false) => (World::Calculation, &["cabi_realloc", "describe", "configure", "process", "advance"]),
            (false, true) => (World::Aggregation, &["cabi_realloc", "describe", "configure", "aggregate"]),
            (true, true) => return Err(refused("it exports both process and aggregate: split it into two plugins")),
            (false, false) => {
                return Err(refused("it exports neither process (a calculation) nor aggregate (an aggregation)"));
            }
        };
        let mut missing: Vec<_> = required.iter().filter(|name| !func(name)).copied().collect();
        if !self.has("memory", ExternalKind::Memory) {
            missing.push("memory");
        }
        if self.exports.iter().any(|(name, _)| name.starts_with(GLOBAL_PREFIX)) {
            return Err(refused(format!("exports may not begin with {GLOBAL_PREFIX}")));
        }
        if missing.is_empty() {
            return Ok(world);
        }
        Err(refused(format!("a {} must also export {}", world.name(), missing.join(", "))))
    }

    /// The module with an export section that also names the mutable globals. All other sections stay as they are.
    fn with_globals_exported(&self, wasm: &[u8]) -> Vec<u8> {
        let mut out = wasm[..8].to_vec();
        for (id, range) in &self.sections {
            out.push(*id);
            if *id == EXPORT_SECTION {
                let section = self.export_section(&wasm[self.export_entries.0..range.end]);
                push_leb(&mut out, section.len() as u32);
                out.extend_from_slice(&section);
            } else {
                push_leb(&mut out, range.len() as u32);
                out.extend_from_slice(&wasm[range.clone()]);
            }
        }
        out
    }

    fn export_section(&self, entries: &[u8]) -> Vec<u8> {
        let mut section = Vec::with_capacity(entries.len() + 32 * self.mutable_globals.len());
        push_leb(&mut section, self.export_entries.1 + self.mutable_globals.len() as u32);
        section.extend_from_slice(entries);
        for (number, index) in self.mutable_globals.iter().enumerate() {
            let name = format!("{GLOBAL_PREFIX}{number}");
            push_leb(&mut section, name.len() as u32);
            section.extend_from_slice(name.as_bytes());
            section.push(EXPORT_KIND_GLOBAL);
            push_leb(&mut section, *index);
        }
        section
    }
}

/// Refuses a function that would be dear to compile, or that changes state which an image does not hold.
fn check_function(number: u32, body: &FunctionBody<'_>) -> Result<(), InstallError> {
    let damaged = |error: wasmparser::BinaryReaderError| InstallError::NotWasm { reason: error.to_string() };
    let bytes = body.range().len() as u64;
    let mut locals = 0u64;
    for group in body.get_locals_reader().map_err(damaged)? {
        locals += u64::from(group.map_err(damaged)?.0);
    }
    if locals > LOCALS_MAX || bytes > FUNCTION_BYTES_MAX || locals * bytes > LOCALS_TIMES_BYTES_MAX {
        let reason =
            format!("function {number} has {locals} locals in {bytes} bytes, too much to compile: split it up");
        return Err(refused(reason));
    }
    for operator in body.get_operators_reader().map_err(damaged)? {
        use Operator::{TableCopy, TableFill, TableGrow, TableInit, TableSet};
        if let TableSet { .. } | TableGrow { .. } | TableFill { .. } | TableCopy { .. } | TableInit { .. } =
            operator.map_err(damaged)?
        {
            return Err(refused(format!("function {number} changes a table, which a checkpoint cannot hold")));
        }
    }
    Ok(())
}

fn push_leb(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
