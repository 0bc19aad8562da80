#!/bin/sh
# Builds smooth.wasm. Needs Zig, which the script beside the SDK finds or installs.
set -eu
cd "$(dirname "$0")"

toolchain=tidemill/zig.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/zig.sh
zig=$(sh "$toolchain" | tail -n 1)
[ -n "$zig" ] || exit 1

# 128 KiB of stack, at the bottom of memory: a plugin that overflows it traps instead of overwriting its state. The line tables let a
# trap name the source line; they are most of the file. -s instead of -gline-tables-only leaves them out.
"$zig" cc -std=c11 -O3 -Wall -Wextra -target wasm32-wasi -mexec-model=reactor -mcpu=generic+bulk_memory \
    -Wl,-z,stack-size=131072 -gline-tables-only -o smooth.wasm smooth.c
