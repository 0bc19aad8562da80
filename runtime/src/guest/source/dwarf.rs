//! Reading DWARF into a [`SourceMap`].
//!
//! Addresses in the DWARF of WebAssembly are positions in the content of the code section
//! (<https://yurydelendik.github.io/webassembly-dwarf/>).
//!
//! A file is its author's if it lies below the directory in which the unit was compiled that holds the plugin's entry, `process` or
//! `aggregate`: that leaves out standard libraries and dependencies, of which only functions are named.

use std::borrow::Cow;

use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian, SectionId};
use addr2line::{Context, LookupResult};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::map::{Builder, Frame, INLINED_MAX, SourceMap};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Most units of a module. Programs of many megabytes have a tenth of it; looking a place up may take time in proportion.
const UNITS_MAX: usize = 10_000;
/// Where `tidemill plugin new` puts the SDK in the author's directory.
const SDK: &str = "tidemill/";

/// What a module says about its sources; `None` if that is nothing, or nothing that can be understood: a plugin works
/// without it.
pub(crate) fn read(wasm: &[u8]) -> Option<SourceMap> {
    let module = Module::read(wasm)?;
    let section = |id: SectionId| {
        let found = module.sections.iter().find(|(name, _)| *name == id.name());
        Ok::<_, Error>(EndianSlice::new(found.map_or(&[][..], |(_, bytes)| bytes), LittleEndian))
    };
    let dwarf = Dwarf::load(section).ok()?;
    let mut units = dwarf.units();
    let count = std::iter::from_fn(|| units.next().ok().flatten()).take(UNITS_MAX + 1).count();
    if count > UNITS_MAX {
        return None;
    }
    let context = Context::from_dwarf(dwarf).ok()?;
    let root = module.entry.and_then(|entry| directory(&context, entry)).unwrap_or_default();
    let mut builder = Builder::default();
    let mut end = 0;
    for (start, length, _) in context.find_location_range(0, u64::from(module.code.1)).ok()? {
        if start < end || length == 0 {
            // Units that claim the same code: the first one has it.
            continue;
        }
        if start > end && !builder.add(module.code.0.checked_add(u32::try_from(end).ok()?)?, &[]) {
            break;
        }
        end = start.saturating_add(length);
        let position = module.code.0.checked_add(u32::try_from(start).ok()?)?;
        if !add(&context, &root, start, position, &mut builder) {
            break;
        }
    }
    builder.add(module.code.0.saturating_add(u32::try_from(end).ok()?), &[]);
    builder.finish()
}

/// Adds the functions at an address. Returns whether there is room for more.
fn add(context: &Context<Bytes<'_>>, root: &str, address: u64, position: u32, builder: &mut Builder) -> bool {
    let (mut functions, mut places) = (Vec::new(), Vec::new());
    if let LookupResult::Output(Ok(mut frames)) = context.find_frames(address) {
        while let (Ok(Some(frame)), true) = (frames.next(), places.len() < INLINED_MAX) {
            functions.push(frame.function.and_then(|name| name.demangle().ok().map(Cow::into_owned)));
            places.push(frame.location.and_then(|place| Some((own_file(root, place.file?)?, place.line?))));
        }
    }
    let frames = functions.iter().zip(places).map(|(function, at)| Frame { function: function.as_deref(), at });
    builder.add(position, &frames.collect::<Vec<_>>())
}

/// The directory in which the unit of an address was compiled.
fn directory(context: &Context<Bytes<'_>>, address: u64) -> Option<String> {
    let LookupResult::Output(unit) = context.find_dwarf_and_unit(address) else {
        return None;
    };
    Some(unit?.comp_dir.as_ref()?.to_string_lossy().into_owned())
}

/// A file's path below the directory `root`, if it lies there and is not the SDK's copy.
fn own_file<'a>(root: &str, file: &'a str) -> Option<&'a str> {
    let mut path = match root.trim_end_matches('/') {
        "" => file,
        root => file.strip_prefix(root)?.strip_prefix('/')?,
    };
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    Some(path).filter(|path| !path.starts_with('/') && !path.starts_with(SDK))
}

/// What is needed of a module.
struct Module<'a> {
    /// Where the content of the code section lies in the module: its start and its length, bytes.
    code: (u32, u32),
    /// Where the entry lies in the code section.
    entry: Option<u64>,
    /// The sections of debug information.
    sections: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Module<'a> {
    fn read(wasm: &'a [u8]) -> Option<Self> {
        let mut module = Self { code: (0, 0), entry: None, sections: Vec::new() };
        let (mut imported, mut entry, mut number) = (0, None, 0);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::ImportSection(section) => {
                    let imports = section.into_imports().filter_map(Result::ok);
                    imported = imports.filter(|import| matches!(import.ty, TypeRef::Func(_))).count() as u32;
                }
                Payload::ExportSection(section) => {
                    let is_entry = |name: &str| name.ends_with("process") || name.ends_with("aggregate");
                    let mut exports = section.into_iter().filter_map(Result::ok);
                    let found = exports.find(|export| export.kind == ExternalKind::Func && is_entry(export.name));
                    entry = found.and_then(|export| export.index.checked_sub(imported));
                }
                Payload::CodeSectionStart { range, .. } => {
                    module.code = (u32::try_from(range.start).ok()?, u32::try_from(range.len()).ok()?);
                }
                Payload::CodeSectionEntry(body) => {
                    if entry == Some(number) {
                        // The unit's ranges begin at the body, the lines at its first instruction.
                        let first = body.get_operators_reader().ok()?.original_position();
                        module.entry = Some(first as u64 - u64::from(module.code.0));
                    }
                    number += 1;
                }
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                    module.sections.push((section.name(), section.data()));
                }
                _ => {}
            }
        }
        (!module.sections.is_empty()).then_some(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_files_are_those_below_the_directory_of_the_entry() {
        assert_eq!(own_file("/home/ada/smooth", "/home/ada/smooth/src/lib.rs"), Some("src/lib.rs"));
        assert_eq!(own_file("/home/ada/smooth", "/rustc/1234/library/core/src/panicking.rs"), None);
        assert_eq!(own_file("/home/ada/smooth", "/home/ada/smooth2/lib.rs"), None);
        assert_eq!(own_file("/home/ada/smooth", "/home/ada/smooth/././tidemill/host.h"), None, "the SDK");
        assert_eq!(own_file(".", "./smooth.c"), Some("smooth.c"));
        assert_eq!(own_file("", "smooth.c"), Some("smooth.c"));
        assert_eq!(own_file("", "/usr/lib/zig/std/mem.zig"), None, "no directory is known: relative paths are");
    }
}
