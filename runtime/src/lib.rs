//! Operators: the Wasm host, windows and checkpoints.
