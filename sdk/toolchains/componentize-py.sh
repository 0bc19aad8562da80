#!/bin/sh
# Finds or installs componentize-py, which wraps Python plugins as components.
#
#   usage: componentize-py.sh      prints the path of a Python that has componentize-py beside it, on the last line of standard output
#
# It lives in an environment of its own in ${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains; delete that to start over. Nothing is
# installed anywhere else. The directory appears by one rename, so runs beside each other and interrupted runs do no harm.
set -eu

VERSION=0.25.1
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains
HOME_DIR=$CACHE/componentize-py-$VERSION

say() { echo "componentize-py: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

if [ -x "$HOME_DIR/bin/componentize-py" ]; then
    echo "$HOME_DIR/bin/python"
    exit 0
fi

command -v python3 >/dev/null 2>&1 || fail "python3 is not on the PATH; install Python 3.10 or newer (Debian: apt-get install python3 python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "python3 is older than 3.10; install a newer Python"
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "python3 lacks the module venv (Debian: apt-get install python3-venv)"

say "installing version $VERSION from PyPI (once, about 60 MB)"
mkdir -p "$CACHE"
WORK=$(mktemp -d "$CACHE/componentize-py.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
python3 -m venv "$WORK" >&2 || fail "python3 -m venv failed"
"$WORK/bin/python" -m pip install --quiet --disable-pip-version-check "componentize-py==$VERSION" >&2 ||
    fail "pip could not install componentize-py $VERSION; is PyPI reachable?"

# Scripts carry the path of their interpreter in the first line: let them carry the final one.
for script in "$WORK"/bin/*; do
    if [ -f "$script" ] && [ ! -L "$script" ]; then
        sed "1,3s|$WORK|$HOME_DIR|g" "$script" >"$script.new" && chmod +x "$script.new" && mv "$script.new" "$script"
    fi
done

# Whoever comes first wins: a rename onto a directory that is not empty fails. The others use the winner's.
python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$WORK" "$HOME_DIR" 2>/dev/null || true
[ -x "$HOME_DIR/bin/componentize-py" ] || fail "$HOME_DIR is incomplete; delete it and try again"
echo "$HOME_DIR/bin/python"
