#!/bin/sh
# Builds plugins to WebAssembly: target/plugins/<name>.wasm.
#
#   usage: sdk/build-plugins.sh [PACKAGE…]      default: everything in plugins/ and examples/first-plugin
#
# <name> is the package's name without `tidemill-plugin-`. Run from anywhere. The packages are built one by one inside the workspace with
# its Cargo.lock; the SDK and the plugins have no other dependencies, so nothing of the host is built.
set -eu
cd "$(dirname "$0")/.."

cargo_wasm=$(sdk/wasm-toolchain.sh | tail -n 1)
built=${CARGO_TARGET_DIR:-target}/wasm

if [ $# -eq 0 ]; then
    for manifest in plugins/*/Cargo.toml examples/first-plugin/Cargo.toml; do
        set -- "$@" "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)"
    done
fi

options=
for package in "$@"; do options="$options -p $package"; done
# shellcheck disable=SC2086 # the options are words
"$cargo_wasm" build --locked --lib --profile plugin $options --target-dir "$built"

mkdir -p target/plugins
for package in "$@"; do
    name=${package#tidemill-plugin-}
    file=$(echo "$package" | tr - _).wasm
    # Replaced by a rename, and only when it changed, so that nobody sees half a file or an upgrade that is none.
    new=target/plugins/.$name.new
    cp "$built/wasm32-unknown-unknown/plugin/$file" "$new"
    if cmp -s "$new" "target/plugins/$name.wasm"; then rm "$new"; else mv "$new" "target/plugins/$name.wasm"; fi
    echo "target/plugins/$name.wasm $(wc -c <"target/plugins/$name.wasm") bytes"
done
