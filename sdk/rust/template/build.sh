#!/bin/sh
# Builds smooth.wasm. Says nothing but errors, and the first time that it fetches the standard library for WebAssembly.
set -eu
cd "$(dirname "$0")"

toolchain=tidemill/wasm-toolchain.sh
[ -f "$toolchain" ] || toolchain=../../wasm-toolchain.sh
cargo=$(sh "$toolchain" | tail -n 1)
[ -n "$cargo" ] || exit 1

"$cargo" build --quiet --lib --release --target-dir target/wasm
cp target/wasm/wasm32-unknown-unknown/release/plugin.wasm smooth.wasm.new
mv smooth.wasm.new smooth.wasm
