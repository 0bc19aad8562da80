#!/bin/sh
# Tests the Zig SDK natively.
set -eu
cd "$(dirname "$0")"

zig=$(sh ../../toolchains/zig.sh | tail -n 1)
[ -n "$zig" ] || exit 1
exec "$zig" test --dep tidemill -Mroot=sdk-test.zig -Mtidemill=../tidemill/tidemill.zig
