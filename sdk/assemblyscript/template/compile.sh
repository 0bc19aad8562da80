#!/bin/sh
# Compiles FILE.ts to MODULE.wasm: sh compile.sh FILE.ts MODULE.wasm. Installs the compiler when it is not there yet.
set -eu
cd "$(dirname "$0")"

SDK=../tidemill
toolchain=$SDK/asc.sh
[ -f "$toolchain" ] || toolchain=../../toolchains/asc.sh
asc=$(sh "$toolchain")

# --use: what AssemblyScript does with errors is in the SDK; the compiler calls that file without `./` in front.
# --exportStart: the host calls it once. AS235 warns of exported classes, which tests need and modules do not have.
"$asc" "$1" -O3 --runtime incremental --exportStart _initialize --disableWarning 235 --use "abort=${SDK#./}/abort/abort" -o "$2.new.wasm"
mv "$2.new.wasm" "$2"
