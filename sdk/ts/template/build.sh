#!/bin/sh
# Checks the types and makes smooth.wasm; with the argument `test`, runs the unit tests. Needs Node.js 20; the rest is installed on
# first use.
set -eu
cd "$(dirname "$0")"

sdk=../tidemill
toolchain=$sdk/componentize-js.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/componentize-js.sh
tools=$(sh "$toolchain" | tail -n 1)
[ -n "$tools" ] || exit 1
node "$tools/node_modules/typescript/bin/tsc" --project tsconfig.json
case ${1:-build} in
test) exec node "$sdk/build/build.mjs" "$tools" test ./*.test.ts ;;
*) node "$sdk/build/build.mjs" "$tools" build smooth.ts smooth.wasm ;;
esac
