//! Checks of one core module, and its rewriting.
//!
//! - It is of a shape that compiles in bounded memory: a small valid module with one huge function can take the compiler
//!   past ten gigabytes.
//! - It has so few types, functions, exports and globals that what the node keeps of it besides its code stays small.
//! - Its state lies in a 32-bit memory and in numeric globals, because that is what an image holds.
//! - Rewriting exports every mutable global under a name of ours, and changes nothing else.

use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, GlobalType, MemoryType, Operator, Parser, Payload, TypeRef,
};

use super::inspect::{not_wasm, refused};
use crate::error::InstallError;

/// Most locals of one function. Compilers of real languages stay below a tenth of it.
const LOCALS_MAX: u64 = 10_000;
/// Most locals times bytes of one function: the compiler's memory grows with this product, to 1.2 GB at twice as much when
/// the function is all loops. The largest function of a Python interpreter or a JavaScript engine has a fifteenth of it.
const LOCALS_TIMES_BYTES_MAX: u64 = 1 << 27;
/// Largest function, bytes.
const FUNCTION_BYTES_MAX: u64 = 2 << 20;
/// Most types, functions and exports of a module; a Python interpreter has 2,000, 30,000 and 20,000. The node keeps a
/// description of each.
const TYPES_MAX: u32 = 20_000;
const FUNCTIONS_MAX: u32 = 200_000;
const EXPORTS_MAX: u32 = 100_000;

/// Exports that rewriting adds begin with this.
pub(crate) const GLOBAL_PREFIX: &str = "tidemill:global:";

const EXPORT_SECTION: u8 = 7;
const CODE_SECTION: u8 = 10;
const EXPORT_KIND_GLOBAL: u8 = 3;

/// What one walk over a module collects.
#[derive(Default)]
pub(super) struct CoreModule {
    sections: Vec<(u8, std::ops::Range<usize>)>,
    pub(super) imports: Vec<(String, String)>,
    pub(super) exports: Vec<(String, ExternalKind)>,
    /// Where the entries of the export section begin, and how many there are.
    export_entries: (usize, u32),
    /// Indices of the mutable globals that it defines.
    pub(super) mutable_globals: Vec<u32>,
    /// The memories it defines.
    pub(super) memories: Vec<MemoryType>,
    /// How many functions it defines.
    pub(super) functions: u32,
    /// How many globals it defines, mutable or not.
    pub(super) globals: u64,
    /// Elements of all the tables that it defines.
    pub(super) table_elements: u64,
    /// Names of its custom sections.
    pub(super) custom: Vec<String>,
    /// What speaks against it, in the order of its sections.
    pub(super) refusals: Vec<InstallError>,
}

impl CoreModule {
    /// Walks over a module.
    pub(super) fn read(wasm: &[u8]) -> Self {
        let mut module = Self::default();
        if let Err(error) = module.walk(wasm) {
            module.refusals.push(not_wasm(&error));
        }
        module
    }

    fn walk(&mut self, wasm: &[u8]) -> Result<(), BinaryReaderError> {
        let mut imported_globals = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            self.sections.extend(payload.as_section());
            match payload {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        imported_globals += u32::from(matches!(import.ty, TypeRef::Global(_)));
                        self.imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory?;
                        self.refusals.extend(check_memory(&memory).err());
                        self.memories.push(memory);
                    }
                }
                Payload::TypeSection(section) => {
                    self.refusals.extend(check_count("types", section.count(), TYPES_MAX).err());
                }
                Payload::FunctionSection(section) => {
                    self.refusals.extend(check_count("functions", section.count(), FUNCTIONS_MAX).err());
                }
                Payload::TableSection(section) => {
                    for table in section {
                        self.table_elements = self.table_elements.saturating_add(table?.ty.initial);
                    }
                }
                Payload::GlobalSection(section) => {
                    self.globals = u64::from(section.count());
                    for (index, global) in (imported_globals..).zip(section) {
                        self.add_global(index, global?.ty);
                    }
                }
                Payload::ExportSection(section) => {
                    self.refusals.extend(check_count("exports", section.count(), EXPORTS_MAX).err());
                    self.export_entries = (section.original_position(), section.count());
                    for export in section {
                        let export = export?;
                        if export.name.starts_with(GLOBAL_PREFIX) {
                            self.refusals.push(refused(format!("exports may not begin with {GLOBAL_PREFIX}")));
                        }
                        self.exports.push((export.name.to_owned(), export.kind));
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    self.refusals.extend(check_function(self.functions, &body).err());
                    self.functions += 1;
                }
                Payload::CustomSection(section) => self.custom.push(section.name().to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it has a custom section of this name.
    pub(super) fn has_custom(&self, name: &str) -> bool {
        self.custom.iter().any(|custom| custom == name)
    }

    fn add_global(&mut self, index: u32, ty: GlobalType) {
        if ty.mutable && ty.content_type.is_reference_type() {
            let reason = format!("global {index} is a mutable reference, which a checkpoint cannot hold");
            self.refusals.push(refused(reason));
        }
        if ty.mutable {
            self.mutable_globals.push(index);
        }
    }

    /// The module with an export section that also names the mutable globals. All other sections stay as they are.
    pub(super) fn rewritten(&self, wasm: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(wasm.len() + 32 * self.mutable_globals.len() + 16);
        out.extend_from_slice(&wasm[..8]);
        let mut is_missing = !self.mutable_globals.is_empty() && self.export_entries.1 == 0;
        for (id, range) in &self.sections {
            // Sections from the export section on, in the order of the specification: start, element, data count, code, data.
            if is_missing && (*id == 8 || *id == 9 || *id == 12 || *id == CODE_SECTION || *id == 11) {
                self.push_exports(&mut out, &[]);
                is_missing = false;
            }
            if *id == EXPORT_SECTION {
                self.push_exports(&mut out, &wasm[self.export_entries.0..range.end]);
                is_missing = false;
            } else {
                out.push(*id);
                push_leb(&mut out, range.len() as u32);
                out.extend_from_slice(&wasm[range.clone()]);
            }
        }
        if is_missing {
            self.push_exports(&mut out, &[]);
        }
        out
    }

    fn push_exports(&self, out: &mut Vec<u8>, entries: &[u8]) {
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
        out.push(EXPORT_SECTION);
        push_leb(out, section.len() as u32);
        out.extend_from_slice(&section);
    }
}

fn check_count(what: &str, count: u32, most: u32) -> Result<(), InstallError> {
    match count <= most {
        true => Ok(()),
        false => Err(refused(format!("it has {count} {what}, at most {most} are allowed"))),
    }
}

fn check_memory(memory: &MemoryType) -> Result<(), InstallError> {
    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
        return Err(refused(
            "its memory is 64-bit, shared or of an unusual page size; build for wasm32-unknown-unknown",
        ));
    }
    Ok(())
}

/// Refuses a function that would be dear to compile, or that changes state which an image does not hold.
fn check_function(number: u32, body: &FunctionBody<'_>) -> Result<(), InstallError> {
    let bytes = body.range().len() as u64;
    let mut locals = 0u64;
    for group in body.get_locals_reader().map_err(|error| not_wasm(&error))? {
        locals += u64::from(group.map_err(|error| not_wasm(&error))?.0);
    }
    if locals > LOCALS_MAX || bytes > FUNCTION_BYTES_MAX || locals * bytes > LOCALS_TIMES_BYTES_MAX {
        let reason =
            format!("function {number} has {locals} locals in {bytes} bytes, too much to compile: split it up");
        return Err(refused(reason));
    }
    for operator in body.get_operators_reader().map_err(|error| not_wasm(&error))? {
        use Operator::{DataDrop, ElemDrop, TableCopy, TableFill, TableGrow, TableInit, TableSet};
        match operator.map_err(|error| not_wasm(&error))? {
            TableSet { .. } | TableGrow { .. } | TableFill { .. } | TableCopy { .. } | TableInit { .. } => {
                return Err(refused(format!("function {number} changes a table, which a checkpoint cannot hold")));
            }
            DataDrop { .. } | ElemDrop { .. } => {
                return Err(refused(format!("function {number} drops a segment, which a checkpoint cannot hold")));
            }
            _ => {}
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
