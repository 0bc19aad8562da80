//! A running guest: how it is put together, its images, and what every call has in common.
//!
//! Invariant: after any error the instance is dropped by its owner, so nothing here tidies up behind a trap.

use std::collections::HashMap;
use std::sync::Arc;

use tidemill_journal::Env;
use wasmtime::{
    AsContextMut, Extern, Func, Global, Instance as CoreInstance, Memory, Store, StoreLimitsBuilder, TypedFunc,
    WasmParams, WasmResults,
};

use super::blueprint::{Item, Step};
use super::dirty::{DirtyPages, PAGE_BYTES};
use super::engine::RESERVED_BYTES;
use super::granted::{self, CONTRACT_MAX};
use super::host::{Host, Realloc};
use super::module::GLOBAL_PREFIX;
use super::source::Sources;
use super::state::State;
use crate::guest::abi::{self, Element};
use crate::guest::image;
use crate::guest::{CallError, Delta, Image, Limits, Logs, Plugin};

/// A running guest.
pub struct Instance {
    pub(super) store: Store<Host>,
    pub(super) memory: Memory,
    globals: Vec<Global>,
    pub(super) calls: HashMap<&'static str, Func>,
    posts: HashMap<&'static str, TypedFunc<u32, ()>>,
    realloc: Realloc,
    pub(super) limits: Limits,
    /// The contract that the guest speaks: 1 stands for 0.1.
    pub(super) contract: u32,
    /// What has changed since the last capture; nothing before the first.
    dirty: Option<DirtyPages>,
    /// Whether a page was not zero at the last capture, and how many were not.
    stored: (Vec<bool>, u64),
    /// Fuel used by all calls but the last one.
    spent: u64,
    /// What is known of the plugin's sources.
    sources: Sources,
}

/// What a step has made.
enum Made {
    Instance(CoreInstance),
    Gathered(HashMap<String, Extern>),
}

impl Made {
    fn export(&self, store: &mut Store<Host>, name: &str) -> Option<Extern> {
        match self {
            Made::Instance(instance) => instance.get_export(store, name),
            Made::Gathered(items) => items.get(name).cloned(),
        }
    }
}

/// Puts the plugin's modules together, step by step.
fn assemble(plugin: &Plugin, store: &mut Store<Host>) -> Result<(Vec<Made>, Vec<Global>), CallError> {
    let mut made: Vec<Made> = Vec::with_capacity(plugin.blueprint.steps.len());
    let mut globals = Vec::new();
    for step in &plugin.blueprint.steps {
        let new = match step {
            Step::Gather(items) => {
                let items = items.iter().map(|(name, item)| Ok((name.clone(), find(plugin, store, &made, item)?)));
                Made::Gathered(items.collect::<Result<_, CallError>>()?)
            }
            Step::Instantiate { module, args } => {
                let compiled = &plugin.modules[*module];
                let mut imports = Vec::new();
                for import in compiled.imports() {
                    let (from, name) = (import.module(), import.name());
                    let item = match args.iter().find(|(arg, _)| arg == from) {
                        Some((_, step)) => made.get(*step).and_then(|made| made.export(store, name)),
                        None => granted::function(&plugin.linker, store, from, name),
                    };
                    imports.push(item.ok_or_else(|| start(format!("nothing stands behind its import {from}.{name}")))?);
                }
                let instance = CoreInstance::new(store.as_context_mut(), compiled, &imports);
                let instance = instance.map_err(|error| CallError::of_start(&error, &plugin.sources))?;
                for number in 0..plugin.blueprint.globals[*module] {
                    let global = instance.get_global(store.as_context_mut(), &format!("{GLOBAL_PREFIX}{number}"));
                    globals.push(global.expect("the inspection exported every mutable global"));
                }
                Made::Instance(instance)
            }
        };
        made.push(new);
    }
    Ok((made, globals))
}

fn find(plugin: &Plugin, store: &mut Store<Host>, made: &[Made], item: &Item) -> Result<Extern, CallError> {
    let (found, name) = match item {
        Item::Export { step, name } => (made.get(*step).and_then(|made| made.export(store, name)), name),
        Item::Host { module, name } => (granted::function(&plugin.linker, store, module, name), name),
    };
    found.ok_or_else(|| start(format!("it has no {name}")))
}

fn start(reason: String) -> CallError {
    CallError::Start { reason }
}

impl Instance {
    /// Starts a guest.
    ///
    /// # Errors
    /// When its start function fails, it needs more memory than it may have, or it speaks a contract that this host does not.
    pub fn new(plugin: &Plugin, limits: Limits, logs: Arc<Logs>, env: Arc<dyn Env>) -> Result<Self, CallError> {
        let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(memory_bytes)
            .instances(plugin.blueprint.steps.len())
            .memories(1)
            .build();
        let of_start = |error: wasmtime::Error| CallError::of_start(&error, &plugin.sources);
        let mut store = Store::new(&plugin.engine, Host::new(store_limits, &limits, logs, env));
        store.limiter(|host| &mut host.limits);
        store.set_fuel(limits.fuel_per_call).map_err(of_start)?;
        let (made, globals) = assemble(plugin, &mut store)?;
        let memory = find(plugin, &mut store, &made, &plugin.blueprint.memory)?.into_memory();
        let memory = memory.ok_or_else(|| start("its export memory is no memory".into()))?;
        store.data_mut().memory = Some(memory);
        let (mut calls, mut posts, mut realloc, mut initialize) = (HashMap::new(), HashMap::new(), None, None);
        for (name, item) in &plugin.blueprint.calls {
            let func = find(plugin, &mut store, &made, item)?.into_func();
            let func = func.ok_or_else(|| start(format!("its export {name} is no function")))?;
            if let Some(call) = super::blueprint::CALLS.into_iter().find(|call| call == name) {
                calls.insert(call, func);
                continue;
            }
            let post = name.strip_prefix("cabi_post_");
            match post.and_then(|post| super::blueprint::CALLS.into_iter().find(|call| *call == post)) {
                Some(call) => drop(posts.insert(call, typed(&store, &func, call, "(i32) -> nothing")?)),
                None if name == "_initialize" => initialize = Some(func),
                None => realloc = Some(typed(&store, &func, "cabi_realloc", "(i32, i32, i32, i32) -> i32")?),
            }
        }
        let realloc: Realloc = realloc.ok_or_else(|| start("it has no cabi_realloc".into()))?;
        store.data_mut().realloc = Some(realloc.clone());
        if let Some(initialize) = initialize {
            let initialize = typed::<(), ()>(&store, &initialize, "_initialize", "() -> nothing")?;
            initialize.call(&mut store, ()).map_err(of_start)?;
        }
        for (call, func) in &calls {
            check_signature(&store, func, call)?;
        }
        let (dirty, stored, spent, sources) = (None, (Vec::new(), 0), 0, plugin.sources.clone());
        let mut instance =
            Self { store, memory, globals, calls, posts, realloc, limits, contract: 1, dirty, stored, spent, sources };
        instance.contract = instance.ask_contract()?;
        Ok(instance)
    }

    /// Which contract the guest speaks.
    fn ask_contract(&mut self) -> Result<u32, CallError> {
        const CALL: &str = "contract";
        if !self.calls.contains_key(CALL) {
            return Ok(1);
        }
        self.refuel(CALL)?;
        let contract = self.call(CALL, "() -> i32", ())?;
        self.post(CALL, contract)?;
        if contract == 0 || contract > CONTRACT_MAX {
            let (theirs, ours) = (granted::contract_name(contract), granted::contract_name(CONTRACT_MAX));
            return Err(start(format!(
                "it speaks contract {theirs}, this node 0.1 to {ours}: upgrade the node, or build it with an older SDK"
            )));
        }
        Ok(contract)
    }

    /// The contract that the guest speaks: 2 stands for 0.2.
    pub fn contract(&self) -> u32 {
        self.contract
    }

    /// What has changed since the last capture or restore; everything at the first time and if `whole`. Only between calls.
    pub fn capture(&mut self, whole: bool) -> Delta {
        let globals = self.globals.iter().map(|global| image::bits_of(global.get(&mut self.store))).collect();
        let state = &mut self.store.data_mut().state;
        let is_whole = whole || self.dirty.is_none();
        let changed = state.take_changes();
        let changes = if is_whole { state.all() } else { changed };
        let memory = self.memory.data(&self.store);
        let mut delta = Delta::new(memory.len() as u64, globals, changes);
        let numbers = match &mut self.dirty {
            Some(dirty) => dirty.take(memory),
            None => {
                self.dirty = Some(DirtyPages::watch(memory, RESERVED_BYTES));
                Vec::new()
            }
        };
        if is_whole {
            delta.add_all(memory);
            self.stored = (Vec::new(), 0);
        } else {
            delta.add(memory, &numbers);
        }
        let (kept, zeroed) = delta.page_numbers();
        self.note_stored(kept.iter().copied(), true);
        self.note_stored(zeroed.iter().copied(), false);
        delta
    }

    fn note_stored(&mut self, numbers: impl Iterator<Item = u32>, is_stored: bool) {
        let (stored, count) = &mut self.stored;
        for number in numbers {
            let number = number as usize;
            if stored.len() <= number {
                stored.resize(number + 1, false);
            }
            if stored[number] != is_stored {
                stored[number] = is_stored;
                *count = if is_stored { *count + 1 } else { *count - 1 };
            }
        }
    }

    /// Bytes that a whole capture would have had at the last one, roughly.
    pub fn state_bytes(&self) -> u64 {
        self.stored.1 * PAGE_BYTES as u64 + self.store.data().state.bytes()
    }

    /// Where the guest's log goes from now on.
    pub(crate) fn log_to(&mut self, logs: Arc<Logs>) {
        self.store.data_mut().logs = logs;
    }

    /// Bytes of linear memory.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// Fuel that the last call has used.
    pub fn fuel_used(&self) -> u64 {
        self.limits.fuel_per_call.saturating_sub(self.store.get_fuel().unwrap_or(0))
    }

    /// Fuel that it has used since it was started.
    pub fn fuel_total(&self) -> u64 {
        self.spent.saturating_add(self.fuel_used())
    }

    /// Puts a fresh instance into the state that `image` was taken of. The next capture is relative to that.
    ///
    /// # Errors
    /// When the image is of another module or needs more memory than the guest may have.
    pub fn restore(&mut self, image: &Image) -> Result<(), CallError> {
        let missing = image.memory_bytes.checked_sub(self.memory_bytes());
        let missing =
            missing.ok_or_else(|| start("the checkpoint belongs to another plugin: its memory is smaller".into()))?;
        if image.globals.len() != self.globals.len() {
            return Err(start("the checkpoint belongs to another plugin: it has other globals".into()));
        }
        self.memory.grow(&mut self.store, missing / (64 << 10)).map_err(|_| {
            start(format!("its state needs {} bytes of memory: raise memory_bytes", image.memory_bytes))
        })?;
        image.write_to(self.memory.data_mut(&mut self.store));
        for (global, bits) in self.globals.iter().zip(&image.globals) {
            global.set(&mut self.store, image::value_of(*bits)).map_err(|error| start(format!("{error:#}")))?;
        }
        self.store.data_mut().state = State::of(image.entries());
        self.stored = (Vec::new(), 0);
        self.note_stored(image.page_numbers(), true);
        self.dirty = Some(DirtyPages::watch(self.memory.data(&self.store), RESERVED_BYTES));
        Ok(())
    }

    /// Takes over the state by key of another version of the plugin.
    pub(crate) fn take_over_entries(&mut self, image: &Image) {
        self.store.data_mut().state = State::of(image.entries());
    }

    pub(super) fn refuel(&mut self, call: &'static str) -> Result<(), CallError> {
        self.store.data_mut().begin_call();
        self.spent = self.fuel_total();
        let fuel = self.limits.fuel_per_call;
        self.store.set_fuel(fuel).map_err(|error| CallError::of(call, &error, fuel, &self.sources))
    }

    /// Calls a function of the contract that returns a number or an address.
    pub(super) fn call<P: WasmParams>(
        &mut self,
        call: &'static str,
        signature: &str,
        params: P,
    ) -> Result<u32, CallError> {
        let func = self.calls.get(call).ok_or_else(|| CallError::malformed(call, "it has no such function"))?;
        let func: TypedFunc<P, u32> = typed(&self.store, func, call, signature)?;
        let fuel = self.limits.fuel_per_call;
        func.call(&mut self.store, params).map_err(|error| CallError::of(call, &error, fuel, &self.sources))
    }

    /// Tells the guest that its result has been copied.
    pub(super) fn post(&mut self, call: &'static str, area_at: u32) -> Result<(), CallError> {
        let Some(post) = self.posts.get(call) else {
            return Ok(());
        };
        let fuel = self.limits.fuel_per_call;
        post.call(&mut self.store, area_at).map_err(|error| CallError::of(call, &error, fuel, &self.sources))
    }

    /// Allocates `bytes` in the guest and lets `fill` write them. Returns pointer and length.
    pub(super) fn put_raw(
        &mut self,
        call: &'static str,
        align: u32,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(u32, u32), CallError> {
        if bytes == 0 {
            // What `cabi_realloc` returns for nothing: aligned and not null.
            return Ok((align, 0));
        }
        let len = u32::try_from(bytes).map_err(|_| CallError::malformed(call, "an input column of 4 GiB"))?;
        let fuel = self.limits.fuel_per_call;
        let at = self.realloc.call(&mut self.store, (0, 0, align, len));
        let at = at.map_err(|error| CallError::of(call, &error, fuel, &self.sources))?;
        abi::region(self.memory.data(&self.store), call, (at, bytes as u64), align)?;
        fill(&mut self.memory.data_mut(&mut self.store)[at as usize..at as usize + bytes]);
        Ok((at, len))
    }

    pub(super) fn put<T: Element>(&mut self, call: &'static str, values: &[T]) -> Result<(u32, u32), CallError> {
        let bytes = values.len() * T::BYTES as usize;
        let (at, _) = self.put_raw(call, T::BYTES, bytes, |target| T::write(values, target))?;
        Ok((at, values.len() as u32))
    }

    /// Gives a list of lists of bytes to the guest.
    pub(super) fn put_lists<L: AsRef<[u8]>>(
        &mut self,
        call: &'static str,
        lists: &[L],
    ) -> Result<(u32, u32), CallError> {
        let mut heads = Vec::with_capacity(lists.len() * 2);
        for list in lists {
            let list = list.as_ref();
            let (at, len) = self.put_raw(call, 1, list.len(), |target| target.copy_from_slice(list))?;
            heads.extend([at, len]);
        }
        let bytes = heads.len() * 4;
        let (at, _) = self.put_raw(call, 4, bytes, |target| u32::write(&heads, target))?;
        Ok((at, lists.len() as u32))
    }
}

/// Refuses a function whose signature no version of the contract has.
fn check_signature(store: &Store<Host>, func: &Func, call: &'static str) -> Result<(), CallError> {
    type Flat0 = ();
    type Flat2 = (u32, u32);
    type Flat4 = (u32, u32, u32, u32);
    let is_one_of = |fits: &[bool], signature: &str| match fits.contains(&true) {
        true => Ok(()),
        false => Err(CallError::malformed(call, format!("its signature must be {signature}"))),
    };
    match call {
        "process" => {
            let before = func.typed::<(i64, u32, u32, u32, u32, u32, u32, u32, u32), u32>(store).is_ok();
            let now = func.typed::<(i64, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32), u32>(store).is_ok();
            is_one_of(&[before, now], "(i64, ten times i32) -> i32")
        }
        "aggregate" => {
            let before = func.typed::<(u32, u32, u32, u32, u32, u32, u32, u32), u32>(store).is_ok();
            let now = func.typed::<(u32, u32, u32, u32, u32, u32, u32, u32, u32, u32), u32>(store).is_ok();
            is_one_of(&[before, now], "(ten times i32) -> i32")
        }
        "advance" => is_one_of(&[func.typed::<i64, u32>(store).is_ok()], "(i64) -> i32"),
        "configure" | "save" => is_one_of(&[func.typed::<Flat2, u32>(store).is_ok()], "(i32, i32) -> i32"),
        "load" | "combine" => is_one_of(&[func.typed::<Flat4, u32>(store).is_ok()], "(i32, i32, i32, i32) -> i32"),
        _ => is_one_of(&[func.typed::<Flat0, u32>(store).is_ok()], "() -> i32"),
    }
}

/// The function with the signature that the contract demands.
fn typed<P: WasmParams, R: WasmResults>(
    store: &Store<Host>,
    func: &Func,
    call: &'static str,
    signature: &str,
) -> Result<TypedFunc<P, R>, CallError> {
    func.typed(store).map_err(|_| CallError::malformed(call, format!("its signature must be {signature}")))
}
