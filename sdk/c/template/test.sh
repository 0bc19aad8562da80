#!/bin/sh
# Builds and runs the native tests, with $CC (else cc, else Zig) and $CFLAGS.
set -eu
cd "$(dirname "$0")"

if command -v "${CC:-cc}" >/dev/null 2>&1; then
    set -- "${CC:-cc}"
else
    toolchain=tidemill/zig.sh
    [ -f "$toolchain" ] || toolchain=../../toolchains/zig.sh
    zig=$(sh "$toolchain" | tail -n 1)
    [ -n "$zig" ] || exit 1
    set -- "$zig" cc
fi
# shellcheck disable=SC2086 # options are several words
"$@" -std=c11 -Wall -Wextra -g ${CFLAGS:-} -o smooth-test smooth-test.c
# What a plugin keeps lives as long as it does: not a leak.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
exec ./smooth-test
