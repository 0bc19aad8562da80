#!/bin/sh
# Builds and runs the native tests, with $CXX, else c++, else Zig.
set -eu
cd "$(dirname "$0")"

compiler=${CXX:-c++}
if ! command -v "$compiler" >/dev/null 2>&1; then
    toolchain=tidemill/zig.sh
    [ -f "$toolchain" ] || toolchain=../../toolchains/zig.sh
    zig=$(sh "$toolchain" | tail -n 1)
    [ -n "$zig" ] || exit 1
    compiler="$zig c++"
fi
# A path of Zig with spaces would need another way; a compiler with options ("ccache cc") needs the words split.
# shellcheck disable=SC2086
$compiler -std=c++20 -Wall -Wextra -g -o smooth-test smooth-test.cpp
exec ./smooth-test
