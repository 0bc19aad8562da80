#!/bin/sh
# Finds or installs Zig, which compiles C, C++ and Zig to WebAssembly.
#
#   usage: zig.sh      prints the path of `zig` on the last line of standard output; everything else goes to standard error
#
# It tries, in this order: $TIDEMILL_ZIG; the `zig` on the PATH if it is of the series below; the wheel `ziglang` from PyPI (about
# 100 MB, once), which needs python3 with pip. Nothing is installed system-wide. What is installed lives in
# ${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains/zig-<version>; delete it to start over. Concurrent runs are safe: each
# builds beside and renames.
set -eu

VERSION=0.17.1
SERIES=0.17
TOOLCHAINS=${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains
INSTALLED=$TOOLCHAINS/zig-$VERSION

say() { echo "zig: $*" >&2; }
fail() {
    say "$*"
    say "or install Zig $SERIES yourself (https://ziglang.org/download) and put it on the PATH"
    exit 1
}
found() {
    echo "$1"
    exit 0
}

[ -z "${TIDEMILL_ZIG:-}" ] || found "$TIDEMILL_ZIG"
if command -v zig >/dev/null 2>&1; then
    case $(zig version 2>/dev/null) in "$SERIES".*) found "$(command -v zig)" ;; esac
fi
[ ! -x "$INSTALLED/ziglang/zig" ] || found "$INSTALLED/ziglang/zig"

command -v python3 >/dev/null 2>&1 || fail "python3 is not on the PATH; install it with pip, on Debian: apt-get install python3-pip"
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip; install it, on Debian: apt-get install python3-pip"

say "installing ziglang $VERSION from PyPI into $INSTALLED"
mkdir -p "$TOOLCHAINS"
beside=$(mktemp -d "$TOOLCHAINS/zig-$VERSION.XXXXXX")
trap 'rm -rf "$beside"' EXIT
trap 'exit 1' HUP INT TERM
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$beside" "ziglang==$VERSION" >&2 ||
    fail "pip could not install ziglang $VERSION; is PyPI reachable?"
chmod 755 "$beside"
# A run that was faster has put an equal directory there; then ours is thrown away.
python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$beside" "$INSTALLED" 2>/dev/null ||
    [ -x "$INSTALLED/ziglang/zig" ] || fail "$INSTALLED cannot be written"
found "$INSTALLED/ziglang/zig"
