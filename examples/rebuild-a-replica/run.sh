#!/usr/bin/env bash
# Deletes a replica under a running node, asks questions meanwhile, rebuilds it and compares digests.
# The article beside this script explains the steps. TIDEMILL names the binary; everything else is temporary.
set -euo pipefail

tidemill=${TIDEMILL:-$(dirname "$0")/../../target/debug/tidemill}
command -v "$tidemill" >/dev/null || { echo "there is no $tidemill: run make build first" >&2; exit 1; }

work=$(mktemp -d)
node=
trap 'if [ -n "$node" ]; then kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; fi; rm -rf "$work"' EXIT

step() { echo; echo "== $*"; }
fail() { echo "FAILED: $*" >&2; cat "$work/node.log" >&2; exit 1; }

# Waits until a command succeeds, for at most two minutes.
wait_for() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        if "$@"; then return 0; fi
        kill -0 "$node" 2>/dev/null || fail "the node ended while waiting for $what"
        sleep 0.2
    done
    fail "waited two minutes for $what"
}

step "1. Start a node with two replicas"
"$tidemill" serve --data "$work/data" --http 127.0.0.1:0 --replicas 2 >"$work/url" 2>"$work/node.log" &
node=$!
wait_for "the node's address" test -s "$work/url"
TIDEMILL_SERVER=$(cat "$work/url")
export TIDEMILL_SERVER
echo "it listens on $TIDEMILL_SERVER"

step "2. Write 20,000 samples"
lines() {
    awk 'BEGIN { for (i = 0; i < 20000; i++)
        printf "pump,site=north,id=p%d pressure=%.2f %d000000000\n", i % 10, 4 + sin(i / 100), 1767225600 + int(i / 10) }'
}
position=$(lines | "$tidemill" write)
echo "they are in the journal at $position"

question="SELECT id, count(*) AS samples, sum(pressure) AS total FROM pump GROUP BY id ORDER BY id"
ask() { "$tidemill" sql "$question" --format csv --at-least "$position" "$@"; }
both_have_it() { ask --replica r1 >/dev/null 2>&1 && ask --replica r2 >/dev/null 2>&1; }
wait_for "both replicas" both_have_it
ask --replica r2 >"$work/before.csv"
cat "$work/before.csv"

step "3. Delete the files of replica r2 while the node runs"
rm -rf "$work/data/replicas/r2"
ask --replica r1 >"$work/during.csv"
cmp "$work/before.csv" "$work/during.csv" || fail "r1 answers differently"
ask >"$work/any.csv"
cmp "$work/before.csv" "$work/any.csv" || fail "the node answers differently"
echo "r1 goes on answering, and so does the node"

step "4. Rebuild r2 from the journal"
"$tidemill" replica rebuild r2 --yes --timeout 2m
wait_for "both replicas" both_have_it

step "5. Compare"
ask --replica r2 >"$work/after.csv"
cmp "$work/before.csv" "$work/after.csv" || fail "the rebuilt replica answers differently"
test -d "$work/data/replicas/r2" || fail "r2 has no files"
"$tidemill" replica status
echo
echo "the rebuilt replica answers byte for byte as before, and its digest agrees with r1's"
