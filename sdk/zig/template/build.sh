#!/bin/sh
# Builds smooth.wasm. Needs Zig, which the script beside the SDK finds or installs.
#
#   usage: build.sh [test]      with `test`: builds and runs the native tests instead
set -eu
cd "$(dirname "$0")"

sdk=../tidemill
toolchain=$sdk/zig.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/zig.sh
zig=$(sh "$toolchain" | tail -n 1)
[ -n "$zig" ] || exit 1

if [ "${1:-}" = test ]; then
    exec "$zig" test --dep tidemill -Mroot=smooth-test.zig -Mtidemill="$sdk/tidemill.zig"
fi

# ReleaseSafe keeps the checks of overflows and bounds: a plugin with a mistake traps instead of computing on. ReleaseFast drops them.
# 128 KiB of stack, at the bottom of memory: an overflow traps as well. The debug information lets a trap name the source line, and is
# most of the file; -fstrip leaves it out.
mode=ReleaseSafe
target="-target wasm32-freestanding -mcpu=generic+bulk_memory"
# shellcheck disable=SC2086 # the target is several words
"$zig" build-exe -fno-entry -rdynamic -fno-strip -fno-error-tracing --stack 131072 -femit-bin=smooth.wasm \
    $target -O$mode --dep tidemill -Mroot=smooth.zig $target -O$mode -Mtidemill="$sdk/tidemill.zig"
