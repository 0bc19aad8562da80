//! The one Wasm engine of the process and its settings.
//!
//! Invariant: everything that could make two runs of the same calls differ is off (threads, relaxed SIMD) or counted in
//! instructions instead of time (fuel). NaNs are made canonical in the output columns, which is far cheaper than in the
//! compiler.

use wasmtime::{Config, Engine, OptLevel};

use crate::error::RuntimeError;

/// Deepest guest stack, bytes. The host's threads have 2 MiB, of which the host itself needs little.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Address space kept for a linear memory: all that 32 bits can address, so that it never moves while it grows.
pub(crate) const RESERVED_BYTES: u64 = 4 << 30;

/// Makes the engine.
///
/// # Errors
/// When this machine cannot run compiled Wasm.
pub fn engine() -> Result<Engine, RuntimeError> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .consume_fuel(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .memory_reservation(RESERVED_BYTES)
        .memory_may_move(false)
        .wasm_relaxed_simd(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .concurrency_support(false);
    Engine::new(&config).map_err(|error| RuntimeError::Engine { reason: format!("{error:#}") })
}
