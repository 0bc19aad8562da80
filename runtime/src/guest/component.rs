//! Components: how the core modules in one are put together, and which core function stands behind each export.
//!
//! The host instantiates the core modules itself and calls them by the canonical ABI, so that memory and globals are in its
//! sight. What it needs of a component is therefore a recipe: which modules, instantiated in which order with which
//! imports, and what is lifted from them. Everything else in a component is types.
//!
//! Left out: modules in inner components, resources, threads and asynchronous functions. They are refused by name.

use std::collections::BTreeMap;

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentTypeRef, ExternalKind, Instance, Parser, Payload,
};

use super::blueprint::{Item, Step};
use super::inspect::{not_wasm, refused};
use crate::error::InstallError;

/// Most bytes that the steps may take; a Python interpreter's take 30,000. The node keeps them.
const STEP_BYTES_MAX: usize = 1 << 20;
/// What an item takes besides its names.
const ITEM_BYTES: usize = 64;

/// What a component says about its core modules.
pub(super) struct Recipe<'a> {
    pub(super) modules: Vec<&'a [u8]>,
    pub(super) steps: Vec<Step>,
    /// Core functions by the name under which they are exported; `cabi_post_…` and `cabi_realloc` among them.
    pub(super) calls: BTreeMap<String, Item>,
    pub(super) memory: Option<Item>,
}

/// A function at the component's level.
#[derive(Clone)]
enum Function {
    /// Of an imported interface.
    Imported(String, String),
    Lifted(u32, Box<[wasmparser::CanonicalOption]>),
}

#[derive(Default)]
struct Reader<'a> {
    modules: Vec<&'a [u8]>,
    steps: Vec<Step>,
    core_funcs: Vec<Item>,
    memories: Vec<Item>,
    tables: Vec<Item>,
    globals: Vec<Item>,
    functions: Vec<Function>,
    /// Names of imported interfaces, by component instance.
    instances: Vec<String>,
    exports: Vec<(String, u32)>,
    /// Bytes of what the steps say.
    step_bytes: usize,
}

/// Reads the recipe.
pub(super) fn read(component: &[u8]) -> Result<Recipe<'_>, InstallError> {
    let mut reader = Reader::default();
    // Modules and components inside are read too; only what stands at the outermost level counts.
    let mut inside: Vec<Inside> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| not_wasm(&error))?;
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                if inside.contains(&Inside::Component) {
                    return Err(refused(
                        "it is a component with modules in an inner component, which is not supported",
                    ));
                }
                let module = component.get(unchecked_range);
                reader.modules.push(module.ok_or_else(|| refused("a module lies outside of the component"))?);
                inside.push(Inside::Module);
            }
            Payload::ComponentSection { .. } => inside.push(Inside::Component),
            Payload::End(_) => drop(inside.pop()),
            payload if inside.is_empty() => reader.section(payload)?,
            _ => {}
        }
    }
    reader.finish()
}

/// What the payloads that are being read stand in.
#[derive(PartialEq, Eq)]
enum Inside {
    Module,
    Component,
}

impl<'a> Reader<'a> {
    fn section(&mut self, payload: Payload<'a>) -> Result<(), InstallError> {
        let not_wasm = |error: wasmparser::BinaryReaderError| not_wasm(&error);
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    let step = self.step(instance.map_err(not_wasm)?)?;
                    self.step_bytes += bytes_of(&step);
                    self.steps.push(step);
                    if self.step_bytes > STEP_BYTES_MAX {
                        return Err(refused(format!(
                            "its modules are put together in more than {STEP_BYTES_MAX} bytes of names"
                        )));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(alias.map_err(not_wasm)?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.canonical(function.map_err(not_wasm)?)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(not_wasm)?;
                    match import.ty {
                        ComponentTypeRef::Instance(_) => self.instances.push(import.name.name.to_owned()),
                        ComponentTypeRef::Func(_) => {
                            let name = import.name.name.to_owned();
                            self.functions.push(Function::Imported("$root".to_owned(), name));
                        }
                        ComponentTypeRef::Type(_) => {}
                        _ => {
                            return Err(refused(format!(
                                "it imports {:?} as neither function nor interface",
                                import.name.name
                            )));
                        }
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(not_wasm)?;
                    if export.kind == ComponentExternalKind::Func {
                        self.exports.push((export.name.name.to_owned(), export.index));
                        // An export is a new item in its index space.
                        let known = at(&self.functions, export.index)?.clone();
                        self.functions.push(known);
                    }
                }
            }
            // Re-exports of types and of functions that only the build tool uses; nothing of the host has this name.
            Payload::ComponentInstanceSection(section) => {
                self.instances.extend(section.into_iter().map(|_| "an inner component".to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn step(&self, instance: Instance<'_>) -> Result<Step, InstallError> {
        Ok(match instance {
            Instance::Instantiate { module_index, args } => {
                at(&self.modules, module_index)?;
                let args = args.iter().map(|arg| (arg.name.to_owned(), arg.index as usize)).collect();
                Step::Instantiate { module: module_index as usize, args }
            }
            Instance::FromExports(exports) => {
                let item = |export: &wasmparser::Export<'_>| {
                    let item = at(self.space(export.kind)?, export.index)?.clone();
                    Ok((export.name.to_owned(), item))
                };
                Step::Gather(exports.iter().map(item).collect::<Result<_, InstallError>>()?)
            }
        })
    }

    fn space(&self, kind: ExternalKind) -> Result<&Vec<Item>, InstallError> {
        Ok(match kind {
            ExternalKind::Func | ExternalKind::FuncExact => &self.core_funcs,
            ExternalKind::Memory => &self.memories,
            ExternalKind::Table => &self.tables,
            ExternalKind::Global => &self.globals,
            ExternalKind::Tag => return Err(refused("it uses exceptions between modules, which is not supported")),
        })
    }

    fn alias(&mut self, alias: ComponentAlias<'_>) -> Result<(), InstallError> {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Func, instance_index, name } => {
                let interface = at(&self.instances, instance_index)?.clone();
                self.functions.push(Function::Imported(interface, name.to_owned()));
            }
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                at(&self.steps, instance_index)?;
                let item = Item::Export { step: instance_index as usize, name: name.to_owned() };
                match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => self.core_funcs.push(item),
                    ExternalKind::Memory => self.memories.push(item),
                    ExternalKind::Table => self.tables.push(item),
                    ExternalKind::Global => self.globals.push(item),
                    ExternalKind::Tag => {
                        return Err(refused("it uses exceptions between modules, which is not supported"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Result<(), InstallError> {
        match function {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                at(&self.core_funcs, core_func_index)?;
                self.functions.push(Function::Lifted(core_func_index, options));
            }
            CanonicalFunction::Lower { func_index, .. } => match at(&self.functions, func_index)? {
                Function::Imported(interface, name) => {
                    self.core_funcs.push(Item::Host { module: interface.clone(), name: name.clone() });
                }
                Function::Lifted(..) => return Err(refused("it calls its own exports through their interface")),
            },
            other => {
                let text = format!("{other:?}");
                let kind = text.split([' ', '{']).next().unwrap_or_default();
                return Err(refused(format!("it needs {kind}, which a plugin is not given")));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Recipe<'a>, InstallError> {
        let (mut calls, mut memory) = (BTreeMap::new(), None);
        for (name, index) in &self.exports {
            let Function::Lifted(core, options) = at(&self.functions, *index)? else {
                continue;
            };
            calls.insert(name.clone(), at(&self.core_funcs, *core)?.clone());
            for option in options {
                use wasmparser::CanonicalOption::{Async, CompactUTF16, Memory, PostReturn, Realloc, UTF16};
                match option {
                    Memory(index) => {
                        let own = at(&self.memories, *index)?;
                        if memory.get_or_insert_with(|| own.clone()) != own {
                            return Err(refused("its functions use different memories"));
                        }
                    }
                    Realloc(index) => drop(calls.insert("cabi_realloc".into(), at(&self.core_funcs, *index)?.clone())),
                    PostReturn(index) => {
                        drop(calls.insert(format!("cabi_post_{name}"), at(&self.core_funcs, *index)?.clone()));
                    }
                    UTF16 | CompactUTF16 => return Err(refused("its strings are not UTF-8")),
                    Async => return Err(refused("it exports asynchronous functions")),
                    _ => {}
                }
            }
        }
        Ok(Recipe { modules: self.modules, steps: self.steps, calls, memory })
    }
}

/// About what a step takes.
fn bytes_of(step: &Step) -> usize {
    let of_item = |item: &Item| match item {
        Item::Export { name, .. } => name.len(),
        Item::Host { module, name } => module.len() + name.len(),
    };
    match step {
        Step::Instantiate { args, .. } => args.iter().map(|(name, _)| name.len() + ITEM_BYTES).sum(),
        Step::Gather(items) => items.iter().map(|(name, item)| name.len() + of_item(item) + ITEM_BYTES).sum(),
    }
}

fn at<T>(space: &[T], index: u32) -> Result<&T, InstallError> {
    space.get(index as usize).ok_or_else(|| InstallError::NotWasm { reason: format!("index {index} is out of range") })
}
