#!/bin/sh
# Finds or installs what makes WebAssembly components of JavaScript and TypeScript: componentize-js with its engine, esbuild to bundle,
# and typescript to check types. Prints the path of the toolchain on the last line of standard output, all else goes to standard error.
#
# The engine is a copy with earlier garbage collection: of its three limits (heap 27 MB, buffers 38 MB, nursery 64 MB) the first two
# become 1 MB and 2 MB, the last 1 MB. A plugin would need 70 MB instead of 12 to reach its first collection, and everything in memory
# is part of each checkpoint.
#
# Invariant: a toolchain that has its final name is complete. It is built beside and renamed; when two do that at once, one wins.
set -eu

version=0.23.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/toolchains
dir=$home/componentize-js-$version

if [ -d "$dir" ]; then
    echo "$dir"
    exit 0
fi

for tool in node npm; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: install Node.js 20 or newer, from https://nodejs.org or with: apt-get install nodejs npm" >&2
        exit 1
    }
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || { echo "node is version $major, but 20 or newer is needed: https://nodejs.org" >&2; exit 1; }

echo "installing componentize-js $version into $dir (once, about 400 MB)" >&2
mkdir -p "$home"
new=$(mktemp -d "$home/.componentize-js-XXXXXX")
trap 'rm -rf "$new"' EXIT

cat >"$new/package.json" <<JSON
{
  "private": true,
  "dependencies": {
    "@bytecodealliance/componentize-js": "$version",
    "@bytecodealliance/jco": "1.35.0",
    "@bytecodealliance/wizer": "10.0.0",
    "esbuild": "0.28.2",
    "typescript": "7.0.2"
  }
}
JSON
npm install --prefix "$new" --ignore-scripts --no-audit --no-fund --loglevel=error >&2

# Engines this toolchain never uses.
lib=$new/node_modules/@bytecodealliance/componentize-js/lib
rm -f "$lib/starlingmonkey_embedding.debug.wasm" "$lib/starlingmonkey_embedding_weval.wasm" "$lib/starlingmonkey_ics.wevalcache"

# Each limit is one half of an i64.const that occurs once: (old, new), as 64-bit numbers.
node --input-type=module - "$lib/starlingmonkey_embedding.wasm" "$new/engine.wasm" <<'JS'
import { readFileSync, writeFileSync } from 'node:fs';
const limits = [
  [0x0640_0000_01b0_0000n, 0x0640_0000_0010_0000n],
  [0x0010_0000_0260_0000n, 0x0010_0000_0020_0000n],
  [0x0400_0000_0004_0000n, 0x0010_0000_0004_0000n],
];
const constant = (value, length) =>
  Buffer.from([0x42, ...Array.from({ length }, (_, i) => Number((value >> BigInt(7 * i)) & 127n) | (i < length - 1 ? 128 : 0))]);
const [source, target] = process.argv.slice(2);
const engine = readFileSync(source);
for (const [old, now] of limits) {
  let length = 1;
  while (old >> BigInt(7 * length - 1)) length++;
  const at = engine.indexOf(constant(old, length));
  if (at < 0 || engine.indexOf(constant(old, length), at + 1) >= 0) {
    throw new Error(`the engine is not that of componentize-js 0.23.0: ${old} does not occur once`);
  }
  constant(now, length).copy(engine, at);
}
writeFileSync(target, engine);
JS

chmod 755 "$new"
# Not mv, which would move into a directory that has appeared meanwhile.
node -e 'require("fs").renameSync(process.argv[1], process.argv[2])' "$new" "$dir" 2>/dev/null || [ -d "$dir" ]
echo "$dir"
