#!/bin/sh
# Tests the C SDK natively, with $CC (else cc) and $CFLAGS: every *-test.c beside this script.
set -eu
cd "$(dirname "$0")"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for test in *-test.c; do
    # shellcheck disable=SC2086 # options are several words
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -g ${CFLAGS:-} -o "$out/test" "$test"
    ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}" "$out/test"
done
