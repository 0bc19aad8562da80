// What a plugin may ask of the host: a log for people, and state by key.
//
// Here is only the front: `connect` puts the host behind it when the plugin runs in WebAssembly. Natively, lines go to standard error
// and keys live in a map, so that unit tests work without a host.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function native() {
  const map = new Map();
  const place = (group, key) => `${group} ${key.join()}`;
  return {
    log: (level, line) => console.error(`${['error', 'warning', 'info', 'debug'][level]}: ${line}`),
    get: (group, key) => map.get(place(group, key))?.slice(),
    set: (group, key, value) => map.set(place(group, key), value.slice()),
    remove: (group, key) => map.delete(place(group, key)),
  };
}

let host = native();

/** Puts `other` behind `log` and `kv`; without argument, a fresh native one. */
export function connect(other = native()) {
  host = other;
}

/** Bytes as they are, strings as UTF-8. */
export function bytes(value) {
  if (typeof value === 'string') return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`bytes are a Uint8Array or a string, not ${value === null ? 'null' : typeof value}`);
}

export const log = {
  error: (line) => host.log(0, String(line)),
  warn: (line) => host.log(1, String(line)),
  info: (line) => host.log(2, String(line)),
  debug: (line) => host.log(3, String(line)),
};

export const kv = {
  get: (group, key) => host.get(group, bytes(key)),
  getText(group, key) {
    const value = host.get(group, bytes(key));
    return value && decoder.decode(value);
  },
  set(group, key, value) {
    host.set(group, bytes(key), bytes(value));
  },
  remove(group, key) {
    host.remove(group, bytes(key));
  },
};
