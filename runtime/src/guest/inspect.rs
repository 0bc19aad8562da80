//! What a Wasm file must look like before it is compiled, and the one change that is made to it.
//!
//! A file is looked at to its end even when something speaks against it, so that its author learns everything at once.
//! What is looked at:
//! 1. it is a core module or a component of at most [`PLUGIN_BYTES_MAX`] that validates;
//! 2. it imports nothing but what the host gives;
//! 3. its modules are of a shape that compiles in bounded memory, and all of its state lies in one 32-bit memory and in
//!    numeric globals (`module`);
//! 4. its exports say which world it is of;
//! 5. every mutable global is exported under a name of ours, so that images can hold it. Between calls the guest's
//!    stack is empty, so nothing else is state.

use std::collections::BTreeMap;

use wasmparser::{ExternalKind, Parser, Validator, WasmFeatures};

use super::blueprint::{Blueprint, CALLS, Item, Step, World};
use super::component;
use super::granted;
use super::module::CoreModule;
use super::survey::{Import, Survey};
use crate::error::InstallError;

/// Largest plugin, bytes. A Python interpreter with its library has 18 MB.
pub const PLUGIN_BYTES_MAX: usize = 48 << 20;
/// Most core modules of a component.
const MODULES_MAX: usize = 64;
/// Most steps of putting a component together: instances of its modules, and gathered items.
const STEPS_MAX: usize = 256;
/// Most globals of all instances together; interpreters linked from shared libraries have some thousands.
const GLOBALS_MAX: u64 = 100_000;
/// Most elements of all tables of all instances together, 8 bytes each. Tables do not grow.
const TABLE_ELEMENTS_MAX: u64 = 1 << 20;
/// Imports that a refusal names; the rest is counted.
const NAMED_IMPORTS_MAX: usize = 32;

/// A plugin that has passed the checks.
#[derive(Debug)]
pub struct Inspected {
    pub(crate) blueprint: Blueprint,
    /// Its core modules with their mutable globals exported.
    pub(crate) modules: Vec<Vec<u8>>,
}

impl Inspected {
    /// Its world.
    pub fn world(&self) -> World {
        self.blueprint.world
    }
}

/// Checks `wasm` and exports its state.
///
/// # Errors
/// The first reason against it, for the author of the plugin.
pub fn inspect(wasm: &[u8]) -> Result<Inspected, InstallError> {
    survey(wasm).into_inspected()
}

/// What is seen in `wasm`, and everything that speaks against it.
pub fn survey(wasm: &[u8]) -> Survey {
    let is_component = Parser::is_component(wasm);
    let mut survey = Survey { bytes: wasm.len(), is_component, ..Survey::default() };
    if wasm.len() > PLUGIN_BYTES_MAX {
        survey.refusals.push(InstallError::TooLarge { bytes: wasm.len(), limit: PLUGIN_BYTES_MAX });
        return survey;
    }
    if !is_component && !Parser::is_core_wasm(wasm) {
        survey.refusals.push(InstallError::NotWasm { reason: "it does not begin like a WebAssembly module".into() });
        return survey;
    }
    if let Err(error) = Validator::new_with_features(features()).validate_all(wasm) {
        survey.refusals.push(not_wasm(&error));
    }
    if is_component {
        of_component(wasm, &mut survey)
    } else {
        of_module(wasm, &mut survey)
    }
    survey
}

/// What the engine is set to run.
fn features() -> WasmFeatures {
    let refused = WasmFeatures::THREADS
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::GC
        | WasmFeatures::STACK_SWITCHING;
    (WasmFeatures::default() | WasmFeatures::COMPONENT_MODEL).difference(refused)
}

pub(super) fn refused(reason: impl Into<String>) -> InstallError {
    InstallError::Refused { reason: reason.into() }
}

pub(super) fn not_wasm(error: &wasmparser::BinaryReaderError) -> InstallError {
    InstallError::NotWasm { reason: error.to_string() }
}

fn of_module(wasm: &[u8], survey: &mut Survey) {
    let module = survey.add_module(wasm);
    survey.imports.extend(module.imports.iter().map(|(from, name)| Import::new(from, name)));
    survey.refusals.extend(check_imports(&survey.imports).err());
    if module.memories.len() != 1 {
        let reason = format!("it has {} memories, it needs exactly one", module.memories.len());
        survey.refusals.push(refused(reason));
    }
    let export = |name: &str| Item::Export { step: 0, name: name.to_owned() };
    let is_call = |name: &str| {
        let plain = name.strip_prefix("cabi_post_").unwrap_or(name);
        CALLS.contains(&plain) || matches!(name, "cabi_realloc" | "_initialize")
    };
    let functions = module.exports.iter().filter(|(name, kind)| *kind == ExternalKind::Func && is_call(name));
    let calls: BTreeMap<_, _> = functions.map(|(name, _)| (name.clone(), export(name))).collect();
    let memory = module.exports.iter().find(|(name, kind)| *kind == ExternalKind::Memory && name == "memory");
    let memory = memory.map(|(name, _)| export(name));
    let steps = vec![Step::Instantiate { module: 0, args: Vec::new() }];
    survey.refusals.extend(check_instances(&steps, [&module]).err());
    finish(survey, &[(module, wasm)], steps, calls, memory);
}

fn of_component(wasm: &[u8], survey: &mut Survey) {
    let recipe = match component::read(wasm) {
        Ok(recipe) => recipe,
        Err(error) => return survey.refusals.push(error),
    };
    if recipe.modules.len() > MODULES_MAX {
        let reason =
            format!("it is a component of {} modules, at most {MODULES_MAX} are allowed", recipe.modules.len());
        return survey.refusals.push(refused(reason));
    }
    let gathered = recipe.steps.iter().flat_map(|step| match step {
        Step::Gather(items) => items.as_slice(),
        Step::Instantiate { .. } => &[],
    });
    survey.imports.extend(gathered.filter_map(|(_, item)| match item {
        Item::Host { module, name } => Some(Import::new(module, name)),
        Item::Export { .. } => None,
    }));
    survey.refusals.extend(check_imports(&survey.imports).err());
    let modules: Vec<_> = recipe.modules.iter().map(|wasm| (survey.add_module(wasm), *wasm)).collect();
    let memories: usize = modules.iter().map(|(module, _)| module.memories.len()).sum();
    if memories != 1 {
        survey.refusals.push(refused(format!("its modules have {memories} memories, they need exactly one")));
    }
    for step in &recipe.steps {
        survey.refusals.extend(check_args(step, &modules).err());
    }
    survey.refusals.extend(check_instances(&recipe.steps, modules.iter().map(|(module, _)| module)).err());
    finish(survey, &modules, recipe.steps, recipe.calls, recipe.memory);
}

/// Bounds what one instance of the plugin takes in the node besides its memory. A module may be instantiated many times.
fn check_instances<'a>(steps: &[Step], modules: impl IntoIterator<Item = &'a CoreModule>) -> Result<(), InstallError> {
    let modules: Vec<_> = modules.into_iter().collect();
    if steps.len() > STEPS_MAX {
        let count = steps.len();
        return Err(refused(format!("it is put together in {count} steps, at most {STEPS_MAX} are allowed")));
    }
    let instances = steps.iter().filter_map(|step| match step {
        Step::Instantiate { module, .. } => Some(modules[*module]),
        Step::Gather(_) => None,
    });
    let (globals, elements) = instances.fold((0, 0_u64), |(globals, elements), module| {
        (globals + module.globals, elements.saturating_add(module.table_elements))
    });
    if globals > GLOBALS_MAX {
        return Err(refused(format!("it has {globals} globals, at most {GLOBALS_MAX} are allowed")));
    }
    if elements > TABLE_ELEMENTS_MAX {
        let most = TABLE_ELEMENTS_MAX;
        return Err(refused(format!("its tables have {elements} elements, at most {most} are allowed")));
    }
    Ok(())
}

/// A component's module gets every import from the component, so that nothing bypasses [`check_imports`].
fn check_args(step: &Step, modules: &[(CoreModule, &[u8])]) -> Result<(), InstallError> {
    let Step::Instantiate { module, args } = step else {
        return Ok(());
    };
    let is_given = |from: &str| args.iter().any(|(name, _)| name == from);
    match modules[*module].0.imports.iter().find(|(from, _)| !is_given(from)) {
        Some((from, name)) => {
            Err(refused(format!("its module {module} imports {from}.{name}, which the component does not give")))
        }
        None => Ok(()),
    }
}

fn check_imports(imports: &[Import]) -> Result<(), InstallError> {
    let foreign = imports.iter().filter(|import| !import.is_granted);
    let foreign: Vec<_> = foreign.map(|import| (import.module.as_str(), import.name.as_str())).collect();
    if let Some(version) = foreign.iter().find_map(|(from, _)| granted::newer_contract(from)) {
        return Err(refused(format!(
            "it was built for contract {version}, this node speaks 0.1 to 0.2: upgrade the node, or build it with an older SDK"
        )));
    }
    if foreign.is_empty() {
        return Ok(());
    }
    let named = foreign.iter().take(NAMED_IMPORTS_MAX).map(|(from, name)| format!("{from}.{name}"));
    let mut imports = named.collect::<Vec<_>>().join(", ");
    if foreign.len() > NAMED_IMPORTS_MAX {
        imports.push_str(&format!(" and {} more", foreign.len() - NAMED_IMPORTS_MAX));
    }
    Err(InstallError::ForeignImports { imports })
}

/// Decides the world by the exports; the plugin is accepted if nothing speaks against it.
fn finish(
    survey: &mut Survey,
    modules: &[(CoreModule, &[u8])],
    steps: Vec<Step>,
    calls: BTreeMap<String, Item>,
    memory: Option<Item>,
) {
    survey.exports.extend(calls.keys().cloned());
    let has = |name: &str| calls.contains_key(name);
    let (world, required): (_, &[&str]) = match (has("process"), has("aggregate")) {
        (true, false) => (World::Calculation, &["cabi_realloc", "describe", "configure", "process", "advance"]),
        (false, true) => (World::Aggregation, &["cabi_realloc", "describe", "configure", "aggregate"]),
        (true, true) => {
            return survey.refusals.push(refused("it exports both process and aggregate: split it into two plugins"));
        }
        (false, false) => {
            let reason = "it exports neither process (a calculation) nor aggregate (an aggregation)";
            return survey.refusals.push(refused(reason));
        }
    };
    survey.world = Some(world);
    let mut missing: Vec<_> = required.iter().filter(|name| !has(name)).copied().collect();
    if has("save") != has("load") {
        missing.push(if has("save") { "load" } else { "save" });
    }
    if has("combine") && world == World::Calculation {
        return survey.refusals.push(refused("it exports combine, which only an aggregation can: leave it out"));
    }
    missing.extend(memory.is_none().then_some("memory"));
    let Some(memory) = memory.filter(|_| missing.is_empty()) else {
        return survey.refusals.push(refused(format!("a {} must also export {}", world.name(), missing.join(", "))));
    };
    if survey.refusals.is_empty() {
        let globals = modules.iter().map(|(module, _)| module.mutable_globals.len()).collect();
        let blueprint = Blueprint { world, globals, steps, memory, calls };
        let modules = modules.iter().map(|(module, wasm)| module.rewritten(wasm)).collect();
        survey.inspected = Some(Inspected { blueprint, modules });
    }
}
