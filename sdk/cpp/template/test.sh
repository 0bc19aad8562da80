#!/bin/sh
# Builds and runs the native tests, with $CXX (else c++, else Zig) and $CXXFLAGS.
set -eu
cd "$(dirname "$0")"

if command -v "${CXX:-c++}" >/dev/null 2>&1; then
    set -- "${CXX:-c++}"
else
    toolchain=tidemill/zig.sh
    [ -f "$toolchain" ] || toolchain=../../toolchains/zig.sh
    zig=$(sh "$toolchain" | tail -n 1)
    [ -n "$zig" ] || exit 1
    set -- "$zig" c++
fi
# shellcheck disable=SC2086 # options are several words
"$@" -std=c++20 -Wall -Wextra -g ${CXXFLAGS:-} -o smooth-test smooth-test.cpp
# What a plugin keeps lives as long as it does: not a leak.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
exec ./smooth-test
