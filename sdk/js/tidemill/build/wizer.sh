#!/bin/sh
# Stands between componentize-js and wizer: puts our bindings in the place of the generated ones, then runs wizer.
# The environment names both: TIDEMILL_BINDINGS, TIDEMILL_WIZER. The engine's arguments come on standard input.
set -eu
args=$(cat)
place=$(printf '%s' "$args" | sed -n 's/.*--initializer-script-path \([^ ]*\).*/\1/p')
[ -n "$place" ] || { echo "no --initializer-script-path in: $args" >&2; exit 1; }
cp "$TIDEMILL_BINDINGS" "$place"
printf '%s' "$args" | "$TIDEMILL_WIZER" "$@"
