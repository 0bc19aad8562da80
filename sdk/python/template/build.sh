#!/bin/sh
# Builds smooth.wasm from plugin.py. Prints nothing but errors.
set -eu
cd "$(dirname "$0")"

toolchain=../tidemill/componentize-py.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/componentize-py.sh
python=$(sh "$toolchain" | tail -n 1)
[ -n "$python" ] || exit 1
exec "$python" ../tidemill/build.py . smooth.wasm
