#!/bin/sh
# Makes smooth.wasm. Needs Node.js 20; the rest is installed on first use.
set -eu
cd "$(dirname "$0")"

sdk=../tidemill
toolchain=$sdk/componentize-js.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/componentize-js.sh
tools=$(sh "$toolchain" | tail -n 1)
[ -n "$tools" ] || exit 1
node "$sdk/build/build.mjs" "$tools" build smooth.js smooth.wasm
