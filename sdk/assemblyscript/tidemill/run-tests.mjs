// Runs the tests in a module: `node run-tests.mjs MODULE.wasm`. Each exported function whose name begins with `test` runs in an instance of
// its own. Ends with 1 when one fails, or when there is none.

import { readFileSync } from "node:fs";

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const names = WebAssembly.Module.exports(module).map((e) => e.name).filter((name) => name.startsWith("test"));
const failures = names.filter((name) => !passes(name));
console.log(`${names.length - failures.length} of ${names.length} tests passed`);
process.exitCode = names.length === 0 || failures.length > 0 ? 1 : 0;

function passes(name) {
  const lines = [];
  const instance = new WebAssembly.Instance(module, host(lines, () => instance.exports));
  try {
    instance.exports._initialize();
    instance.exports[name]();
    console.log(`ok      ${name}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}\n        ${lines.at(-1) ?? error}`);
    return false;
  }
}

// What a host gives to a plugin: a log, and state by key.
function host(lines, exports) {
  const state = new Map();
  const bytes = (ptr, length) => Buffer.from(exports().memory.buffer, ptr >>> 0, length >>> 0);
  const place = (group, key, length) => `${group >>> 0} ${bytes(key, length).toString("hex")}`;
  return {
    "tidemill:plugin/host@0.2.0": {
      log(level, text, length) {
        const line = bytes(text, length).toString("utf8");
        lines.push(line);
        if (level !== 0) console.log(`        ${line}`);
      },
    },
    "tidemill:plugin/kv@0.2.0": {
      get(group, key, length, result) {
        const value = state.get(place(group, key, length));
        const ptr = value === undefined ? 0 : exports().cabi_realloc(0, 0, 1, value.length);
        if (value !== undefined) bytes(ptr, value.length).set(value);
        const answer = new DataView(exports().memory.buffer, result >>> 0, 12);
        answer.setUint8(0, value === undefined ? 0 : 1);
        answer.setUint32(4, ptr, true);
        answer.setUint32(8, value === undefined ? 0 : value.length, true);
      },
      set(group, key, keyLength, value, length) {
        state.set(place(group, key, keyLength), Buffer.from(bytes(value, length)));
      },
      remove(group, key, length) {
        state.delete(place(group, key, length));
      },
    },
  };
}
