//! A running guest: its store, and calls by the canonical ABI made by hand.
//!
//! A call allocates its lists in the guest with `cabi_realloc`, copies columns in whole, calls, copies the result out of
//! the return area and calls `cabi_post_<name>` if there is one. Invariant: after any error the instance is dropped by its
//! owner, so nothing here tidies up behind a trap.

use std::sync::Arc;

use tidemill_journal::Env;
use wasmtime::{
    Caller, Engine, Func, Global, InstancePre, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder,
    TypedFunc, WasmParams, WasmResults,
};

use crate::error::InstallError;
use crate::guest::abi::{self, Element};
use crate::guest::columns::{About, BatchColumns, OutputBounds, OutputRows, WindowColumns};
use crate::guest::image;
use crate::guest::inspect::{GLOBAL_PREFIX, HOST_LOG, HOST_MODULE};
use crate::guest::results::{check_runs, is_problem, problem, read_runs, read_texts};
use crate::guest::{CallError, Image, Inspected, Limits, LogLine, Logs, World};

/// Lines that one call may log; further ones are dropped.
const LOG_LINES_PER_CALL: u32 = 16;
/// Elements of all tables of an instance.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

const BATCH_AREA_BYTES: u64 = 48;
const SMALL_AREA_BYTES: u64 = 16;
const ABOUT_AREA_BYTES: u64 = 32;

type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;
type Process = TypedFunc<(i64, u32, u32, u32, u32, u32, u32, u32, u32), u32>;
type Aggregate = TypedFunc<(u32, u32, u32, u32, u32, u32, u32, u32), u32>;

/// A compiled plugin.
pub struct Plugin {
    pre: InstancePre<Host>,
    world: World,
    globals: usize,
}

/// What the host keeps beside a guest.
struct Host {
    limits: StoreLimits,
    memory: Option<Memory>,
    logs: Arc<Logs>,
    env: Arc<dyn Env>,
    lines_left: u32,
}

impl Plugin {
    /// Compiles a module that has passed the checks.
    ///
    /// # Errors
    /// When it does not compile or a function has the wrong signature.
    pub fn compile(engine: &Engine, inspected: &Inspected) -> Result<Self, InstallError> {
        let not_wasm = |error: wasmtime::Error| InstallError::NotWasm { reason: format!("{error:#}") };
        let module = Module::new(engine, &inspected.wasm).map_err(not_wasm)?;
        let mut linker = Linker::new(engine);
        linker.func_wrap(HOST_MODULE, HOST_LOG, log).map_err(not_wasm)?;
        let pre = linker.instantiate_pre(&module).map_err(|error| InstallError::Refused {
            reason: format!("its import of {HOST_LOG} does not fit: {error:#}"),
        })?;
        Ok(Self { pre, world: inspected.world, globals: inspected.globals })
    }

    /// Its world.
    pub fn world(&self) -> World {
        self.world
    }
}

/// The host's `log`: one line into the operator's ring.
fn log(mut caller: Caller<'_, Host>, level: u32, at: u32, len: u32) -> wasmtime::Result<()> {
    if caller.data().lines_left == 0 {
        return Ok(());
    }
    caller.data_mut().lines_left -= 1;
    let Some(memory) = caller.data().memory else {
        return Ok(());
    };
    let text = abi::read_text(memory.data(&caller), HOST_LOG, (at, len)).map_err(wasmtime::Error::new)?;
    let level = match level {
        0 => "error",
        1 => "warn",
        2 => "info",
        _ => "debug",
    };
    let host = caller.data();
    host.logs.push(LogLine { time_ns: host.env.now(), level, text });
    Ok(())
}

/// A running guest.
pub struct Instance {
    store: Store<Host>,
    memory: Memory,
    globals: Vec<Global>,
    realloc: Realloc,
    describe: TypedFunc<(), u32>,
    configure: TypedFunc<(u32, u32), u32>,
    process: Option<Process>,
    advance: Option<TypedFunc<i64, u32>>,
    aggregate: Option<Aggregate>,
    limits: Limits,
    post: [Option<TypedFunc<u32, ()>>; 5],
}

/// The calls, as indices into `Instance::post`.
const CALLS: [&str; 5] = ["describe", "configure", "process", "advance", "aggregate"];
const DESCRIBE: usize = 0;
const CONFIGURE: usize = 1;
const PROCESS: usize = 2;
const ADVANCE: usize = 3;
const AGGREGATE: usize = 4;

impl Instance {
    /// Starts a guest.
    ///
    /// # Errors
    /// When its start function fails, it needs more memory than it may have, or a function has the wrong signature.
    pub fn new(plugin: &Plugin, limits: Limits, logs: Arc<Logs>, env: Arc<dyn Env>) -> Result<Self, CallError> {
        let start = |error: wasmtime::Error| CallError::Start { reason: format!("{error:#}") };
        let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(memory_bytes)
            .table_elements(TABLE_ELEMENTS_MAX)
            .instances(1)
            .memories(1)
            .build();
        let host = Host { limits: store_limits, memory: None, logs, env, lines_left: LOG_LINES_PER_CALL };
        let mut store = Store::new(plugin.pre.module().engine(), host);
        store.limiter(|host| &mut host.limits);
        store.set_fuel(limits.fuel_per_call).map_err(start)?;
        let instance = plugin.pre.instantiate(&mut store).map_err(start)?;
        let memory =
            instance.get_memory(&mut store, "memory").ok_or_else(|| CallError::malformed("start", "no memory"))?;
        store.data_mut().memory = Some(memory);
        if let Some(initialize) = instance.get_func(&mut store, "_initialize") {
            initialize.typed::<(), ()>(&store).map_err(start)?.call(&mut store, ()).map_err(start)?;
        }
        let mut globals = Vec::with_capacity(plugin.globals);
        for number in 0..plugin.globals {
            let global = instance.get_global(&mut store, &format!("{GLOBAL_PREFIX}{number}"));
            globals.push(global.expect("the inspection exported every mutable global"));
        }
        let mut find = |name: &str| instance.get_func(&mut store, name);
        let [realloc, describe, configure] = ["cabi_realloc", "describe", "configure"].map(&mut find);
        let [process, advance, aggregate] = ["process", "advance", "aggregate"].map(&mut find);
        let post = CALLS.map(|name| find(&format!("cabi_post_{name}")));
        let wanted = |func: Option<Func>, name| func.ok_or_else(|| CallError::malformed("start", format!("no {name}")));
        let (realloc, describe) = (wanted(realloc, "cabi_realloc")?, wanted(describe, "describe")?);
        let configure = wanted(configure, "configure")?;
        let (process, advance) = match plugin.world {
            World::Calculation => (process, advance),
            World::Aggregation => (None, None),
        };
        let aggregate = aggregate.filter(|_| plugin.world == World::Aggregation);
        let mut typed_post = [const { None }; 5];
        for (slot, (func, call)) in typed_post.iter_mut().zip(post.into_iter().zip(CALLS)) {
            *slot = func.map(|func| typed(&store, func, call, "(i32) -> nothing")).transpose()?;
        }
        Ok(Self {
            realloc: typed(&store, realloc, "cabi_realloc", "(i32, i32, i32, i32) -> i32")?,
            describe: typed(&store, describe, "describe", "() -> i32")?,
            configure: typed(&store, configure, "configure", "(i32, i32) -> i32")?,
            process: process.map(|f| typed(&store, f, "process", "(i64, eight times i32) -> i32")).transpose()?,
            advance: advance.map(|f| typed(&store, f, "advance", "(i64) -> i32")).transpose()?,
            aggregate: aggregate.map(|f| typed(&store, f, "aggregate", "(eight times i32) -> i32")).transpose()?,
            post: typed_post,
            store,
            memory,
            globals,
            limits,
        })
    }

    /// Asks the plugin what it is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn describe(&mut self) -> Result<About, CallError> {
        const CALL: &str = "describe";
        self.refuel(CALL)?;
        let describe = self.describe.clone();
        let area_at = self.call(CALL, &describe, ())?;
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, CALL, (area_at, ABOUT_AREA_BYTES), 4)?;
        let about = About {
            name: abi::read_text(memory, CALL, abi::list_at(area, 0))?,
            version: abi::read_text(memory, CALL, abi::list_at(area, 8))?,
            inputs: read_texts(memory, CALL, abi::list_at(area, 16))?,
            outputs: read_texts(memory, CALL, abi::list_at(area, 24))?,
        };
        self.post(DESCRIBE, area_at)?;
        Ok(about)
    }

    /// Hands the plugin its parameters, a JSON object.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn configure(&mut self, params: &str) -> Result<(), CallError> {
        const CALL: &str = "configure";
        self.refuel(CALL)?;
        let (at, len) = self.put_raw(CALL, 1, params.len(), |target| target.copy_from_slice(params.as_bytes()))?;
        let configure = self.configure.clone();
        let area_at = self.call(CALL, &configure, (at, len))?;
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, CALL, (area_at, SMALL_AREA_BYTES), 4)?;
        if is_problem(area, CALL)? {
            return Err(problem(memory, area, CALL, 4));
        }
        self.post(CONFIGURE, area_at)
    }

    /// Hands a calculation a batch and appends what it answers to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn process(
        &mut self,
        t0: i64,
        batch: &BatchColumns,
        bounds: OutputBounds,
        out: &mut OutputRows,
    ) -> Result<(), CallError> {
        const CALL: &str = "process";
        self.refuel(CALL)?;
        let (runs, _) = self.put_raw(CALL, 4, batch.runs.len() * 12, |target| {
            u32::write(batch.runs.as_flattened(), target);
        })?;
        let runs_len = batch.runs.len() as u32;
        let (dt, dt_len) = self.put(CALL, &batch.dt)?;
        let (values, values_len) = self.put(CALL, &batch.values)?;
        let (qualities, qualities_len) = self.put(CALL, &batch.qualities)?;
        let process = self.process.clone().ok_or_else(|| CallError::malformed(CALL, "it is no calculation"))?;
        let args = (t0, runs, runs_len, dt, dt_len, values, values_len, qualities, qualities_len);
        let area_at = self.call(CALL, &process, args)?;
        self.read_batch(CALL, area_at, bounds, out)?;
        self.post(PROCESS, area_at)
    }

    /// Tells a calculation that no sample before `watermark` is to be expected and appends what it answers to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn advance(&mut self, watermark: i64, bounds: OutputBounds, out: &mut OutputRows) -> Result<(), CallError> {
        const CALL: &str = "advance";
        self.refuel(CALL)?;
        let advance = self.advance.clone().ok_or_else(|| CallError::malformed(CALL, "it is no calculation"))?;
        let area_at = self.call(CALL, &advance, watermark)?;
        self.read_batch(CALL, area_at, bounds, out)?;
        self.post(ADVANCE, area_at)
    }

    /// Hands an aggregation closed windows and appends its `outputs` values per window to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn aggregate(&mut self, input: &WindowColumns, outputs: u32, out: &mut Vec<f64>) -> Result<(), CallError> {
        const CALL: &str = "aggregate";
        self.refuel(CALL)?;
        let (windows, _) = self.put_raw(CALL, 8, input.windows.len() * 24, |target| {
            for (slot, (group, rows, start, end)) in target.as_chunks_mut::<24>().0.iter_mut().zip(&input.windows) {
                slot[0..4].copy_from_slice(&group.to_le_bytes());
                slot[4..8].copy_from_slice(&rows.to_le_bytes());
                slot[8..16].copy_from_slice(&start.to_le_bytes());
                slot[16..24].copy_from_slice(&end.to_le_bytes());
            }
        })?;
        let windows_len = input.windows.len() as u32;
        let (dt, dt_len) = self.put(CALL, &input.dt)?;
        let (values, values_len) = self.put(CALL, &input.values)?;
        let (qualities, qualities_len) = self.put(CALL, &input.qualities)?;
        let aggregate = self.aggregate.clone().ok_or_else(|| CallError::malformed(CALL, "it is no aggregation"))?;
        let args = (windows, windows_len, dt, dt_len, values, values_len, qualities, qualities_len);
        let area_at = self.call(CALL, &aggregate, args)?;
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, CALL, (area_at, SMALL_AREA_BYTES), 4)?;
        if is_problem(area, CALL)? {
            return Err(problem(memory, area, CALL, 4));
        }
        let (at, len) = abi::list_at(area, 4);
        let expected = u64::from(windows_len) * u64::from(outputs);
        if u64::from(len) != expected {
            return Err(CallError::malformed(CALL, format!("it returned {len} values, {expected} were expected")));
        }
        let first = out.len();
        abi::read_list(memory, CALL, (at, len), out)?;
        abi::canonicalise(&mut out[first..]);
        self.post(AGGREGATE, area_at)
    }

    /// The guest's state now. Only between calls.
    pub fn image(&mut self) -> Image {
        let globals = self.globals.iter().map(|global| image::bits_of(global.get(&mut self.store))).collect();
        Image::of(self.memory.data(&self.store), globals)
    }

    /// Bytes of linear memory.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// Puts a fresh instance into the state that `image` was taken of.
    ///
    /// # Errors
    /// When the image is of another module or needs more memory than the guest may have.
    pub fn restore(&mut self, image: &Image) -> Result<(), CallError> {
        let start = |reason: String| CallError::Start { reason };
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
        Ok(())
    }

    fn refuel(&mut self, call: &'static str) -> Result<(), CallError> {
        self.store.data_mut().lines_left = LOG_LINES_PER_CALL;
        let fuel = self.limits.fuel_per_call;
        self.store.set_fuel(fuel).map_err(|error| CallError::of(call, &error, fuel))
    }

    fn call<P: WasmParams>(
        &mut self,
        call: &'static str,
        func: &TypedFunc<P, u32>,
        params: P,
    ) -> Result<u32, CallError> {
        func.call(&mut self.store, params).map_err(|error| CallError::of(call, &error, self.limits.fuel_per_call))
    }

    fn post(&mut self, index: usize, area_at: u32) -> Result<(), CallError> {
        let Some(post) = self.post[index].clone() else {
            return Ok(());
        };
        let fuel = self.limits.fuel_per_call;
        post.call(&mut self.store, area_at).map_err(|error| CallError::of(CALLS[index], &error, fuel))
    }

    /// Allocates `bytes` in the guest and lets `fill` write them. Returns pointer and length.
    fn put_raw(
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
        let realloc = self.realloc.clone();
        let at = self.call(call, &realloc, (0, 0, align, len))?;
        abi::region(self.memory.data(&self.store), call, (at, bytes as u64), align)?;
        fill(&mut self.memory.data_mut(&mut self.store)[at as usize..at as usize + bytes]);
        Ok((at, len))
    }

    fn put<T: Element>(&mut self, call: &'static str, values: &[T]) -> Result<(u32, u32), CallError> {
        let (at, _) =
            self.put_raw(call, T::BYTES, values.len() * T::BYTES as usize, |target| T::write(values, target))?;
        Ok((at, values.len() as u32))
    }

    /// Copies a `result<batch, problem>` out of the guest and checks it.
    fn read_batch(
        &self,
        call: &'static str,
        area_at: u32,
        bounds: OutputBounds,
        out: &mut OutputRows,
    ) -> Result<(), CallError> {
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, call, (area_at, BATCH_AREA_BYTES), 8)?;
        if is_problem(area, call)? {
            return Err(problem(memory, area, call, 8));
        }
        let t0 = abi::i64_at(area, 8);
        let [runs, dt, values, qualities] = [16, 24, 32, 40].map(|at| abi::list_at(area, at));
        let rows = dt.1;
        let total = out.times.len() as u64 + u64::from(rows);
        if total > self.limits.output_rows {
            return Err(CallError::TooMuchOutput { call, what: "rows", found: total, limit: self.limits.output_rows });
        }
        if values.1 != rows || (qualities.1 != rows && qualities.1 != 0) || runs.1 > rows {
            let reason = format!("{} runs, {rows} times, {} values, {} qualities", runs.1, values.1, qualities.1);
            return Err(CallError::malformed(call, reason));
        }
        let (first, first_run) = (out.times.len(), out.runs.len());
        read_runs(memory, call, runs, &mut out.runs)?;
        abi::read_list(memory, call, dt, &mut out.times)?;
        abi::read_list(memory, call, values, &mut out.values)?;
        abi::read_list(memory, call, qualities, &mut out.qualities)?;
        out.qualities.resize(out.times.len(), 0);
        abi::canonicalise(&mut out.values[first..]);
        check_runs(call, &out.runs[first_run..], rows, bounds)?;
        for time in &mut out.times[first..] {
            let sum = t0.checked_add(*time).filter(|time| *time != i64::MAX);
            *time = sum.ok_or_else(|| CallError::malformed(call, format!("time {t0} + {time} is out of range")))?;
        }
        Ok(())
    }
}

/// The function with the signature that the contract demands.
fn typed<P: WasmParams, R: WasmResults>(
    store: &Store<Host>,
    func: Func,
    call: &'static str,
    signature: &str,
) -> Result<TypedFunc<P, R>, CallError> {
    func.typed(store).map_err(|_| CallError::malformed(call, format!("its signature must be {signature}")))
}
