#!/bin/sh
# Runs the tests of the SDK itself: everything in this folder that ends with .test.ts.
set -eu
cd "$(dirname "$0")"

asc=$(sh ../../toolchains/asc.sh)
for test in *.test.ts; do
    "$asc" "$test" -O1 --runtime incremental --exportStart _initialize --disableWarning 235 \
        --use abort=../tidemill/abort/abort -o "${test%.ts}.wasm"
    node ../tidemill/run-tests.mjs "${test%.ts}.wasm"
done
