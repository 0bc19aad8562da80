#!/bin/sh
# Runs the tests in plugin.test.ts.
set -eu
cd "$(dirname "$0")"

SDK=../tidemill
sh compile.sh plugin.test.ts plugin.test.wasm
node "$SDK/run-tests.mjs" plugin.test.wasm
