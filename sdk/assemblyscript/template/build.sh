#!/bin/sh
# Builds smooth.wasm. Says nothing but errors, and the first time that it installs the compiler.
exec sh "$(dirname "$0")/compile.sh" plugin.ts smooth.wasm
