#!/usr/bin/env bash
# Runs the browser tests. Needs a built tidemill and its plugins (`make plugins build`) and Node.js; installs Chromium
# from the distribution if it is missing, and the packages that package-lock.json pins.
set -euo pipefail
cd "$(dirname "$0")"

fail() { echo "browser tests: $*" >&2; exit 1; }

install() {
    command -v apt-get >/dev/null || fail "$* missing, and there is no apt-get: install it, or name the browser in CHROMIUM"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        { command -v sudo && sudo -n true; } >/dev/null 2>&1 || fail "$* missing and installing needs root: run 'sudo apt-get install $*'"
        root=(sudo -n)
    fi
    echo "browser tests: installing $*" >&2
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v node >/dev/null && command -v npm >/dev/null || install nodejs npm
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' || fail "Node.js 18 or newer is needed, this is $(node --version)"

CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$CHROMIUM" ]; then
    install chromium
    CHROMIUM=$(command -v chromium) || fail "apt-get has installed no chromium: name the browser in CHROMIUM"
fi
export CHROMIUM

export TIDEMILL=${TIDEMILL:-$PWD/../../target/debug/tidemill} PLUGINS=${PLUGINS:-$PWD/../../target/plugins}
[ -x "$TIDEMILL" ] || fail "there is no $TIDEMILL: run 'make build'"
[ -f "$PLUGINS/rollup.wasm" ] || fail "there are no plugins in $PLUGINS: run 'make plugins'"

# The packages are installed again only when the lock file has changed.
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
fi
exec node --test --test-concurrency=1 page.test.mjs
