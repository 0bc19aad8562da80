#!/bin/sh
# Tests the C++ SDK natively, with $CXX (else c++) and $CXXFLAGS: every *-test.cpp beside this script.
set -eu
cd "$(dirname "$0")"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for test in *-test.cpp; do
    # shellcheck disable=SC2086 # options are several words
    "${CXX:-c++}" -std=c++20 -Wall -Wextra -Werror -g ${CXXFLAGS:-} -o "$out/test" "$test"
    "$out/test"
done
