#!/bin/sh
# Finds or installs the AssemblyScript compiler.
#
#   usage: asc.sh    prints the path of `asc`, and nothing else, on standard output
#
# It needs Node.js 18 or newer with npm. The pinned version (about 100 MB) goes, once, to
# ${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains/asc-VERSION; delete that folder to start over. It is built beside and renamed, so an
# interrupted run leaves nothing half done, and runs at the same time do not disturb each other.
set -eu

VERSION=0.28.20
HOME_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains/asc-$VERSION

say() { echo "asc: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

for tool in node npm; do
    command -v "$tool" >/dev/null 2>&1 ||
        fail "$tool is missing: install Node.js 18 or newer from https://nodejs.org, or on Debian and Ubuntu: apt-get install nodejs npm"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || fail "Node.js $(node --version) is too old: 18 or newer is needed"

if [ ! -x "$HOME_DIR/node_modules/.bin/asc" ]; then
    say "installing the AssemblyScript compiler $VERSION (once)"
    mkdir -p "$(dirname "$HOME_DIR")"
    WORK=$HOME_DIR.new.$$
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 130' INT TERM
    mkdir -p "$WORK"
    echo '{"private": true}' >"$WORK/package.json"
    (cd "$WORK" && npm install --no-audit --no-fund --loglevel=error "assemblyscript@$VERSION") >&2 ||
        fail "npm could not install assemblyscript@$VERSION: look at its messages above"
    # Where another run was faster, its result is as good; mv would put this one inside of it.
    [ -x "$HOME_DIR/node_modules/.bin/asc" ] || mv "$WORK" "$HOME_DIR" 2>/dev/null || true
    rm -rf "$HOME_DIR/asc-$VERSION.new.$$"
    [ -x "$HOME_DIR/node_modules/.bin/asc" ] || fail "could not move the compiler to $HOME_DIR"
fi
echo "$HOME_DIR/node_modules/.bin/asc"
