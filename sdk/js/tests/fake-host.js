// A host for tests: linear memory, an allocator that knows what is allocated, and the calls of the contract with its bytes.
//
// Invariants: what the host has allocated is freed by the plugin, with the size it was allocated with, and once; what the plugin has
// allocated with `realloc` is freed by the engine after the call, which `post` plays, and by nobody else.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class FakeHost {
  constructor() {
    const buffer = new ArrayBuffer(1 << 20);
    this.buffer = buffer;
    this.next = 1024;
    this.allocated = new Map();
    this.lines = [];
    this.kv = new Map();
    this.abi = {
      memory: { buffer },
      realloc: (old, oldSize, align, size) => this.alloc(align, size, 'engine'),
      dealloc: (pointer, size) => this.free(pointer, size),
      log: (level, pointer, length) => this.lines.push([level, this.text(pointer, length)]),
      get: (group, key, keyLength) => this.get(group, this.text(key, keyLength)),
      set: (group, key, keyLength, value, length) =>
        this.kv.set(`${group}/${this.text(key, keyLength)}`, this.array(Uint8Array, value, length)),
      remove: (group, key, keyLength) => this.kv.delete(`${group}/${this.text(key, keyLength)}`),
    };
  }

  alloc(align, size, owner = 'plugin') {
    const pointer = Math.ceil(this.next / align) * align;
    this.next = pointer + size;
    this.allocated.set(pointer, { size, owner });
    return pointer;
  }

  free(pointer, size) {
    const block = this.allocated.get(pointer);
    if (block?.size !== size || block.owner !== 'plugin') {
      throw new Error(`free of ${size} bytes at ${pointer}, where there is ${JSON.stringify(block)}`);
    }
    this.allocated.delete(pointer);
  }

  get(group, key) {
    const value = this.kv.get(`${group}/${key}`);
    const answer = this.alloc(4, 12);
    new Uint32Array(this.buffer, answer, 3).set(value === undefined ? [0, 0, 0] : [1, ...this.list(value)]);
    return answer;
  }

  /** [pointer, length] of a typed array in memory of the plugin. */
  list(array) {
    if (array.length === 0) return [array.BYTES_PER_ELEMENT, 0];
    const pointer = this.alloc(array.BYTES_PER_ELEMENT, array.byteLength);
    new array.constructor(this.buffer, pointer, array.length).set(array);
    return [pointer, array.length];
  }

  texts(texts) {
    const [pointer] = this.list(new Uint32Array(texts.flatMap((text) => this.list(encoder.encode(text)))));
    return [pointer, texts.length];
  }

  array(Type, pointer, length) {
    return new Type(this.buffer.slice(pointer, pointer + length * Type.BYTES_PER_ELEMENT));
  }

  text(pointer, length) {
    return decoder.decode(this.array(Uint8Array, pointer, length));
  }

  /** The list whose pointer and length stand at `at`. */
  listAt(Type, at, width = 1) {
    const [pointer, length] = this.array(Uint32Array, at, 2);
    return this.array(Type, pointer, length * width);
  }

  textsAt(at) {
    const heads = this.listAt(Uint32Array, at, 2);
    return Array.from({ length: heads.length / 2 }, (_, i) => this.text(heads[2 * i], heads[2 * i + 1]));
  }

  /** Calls a function with an area for its results, filled with rubbish as a real one is. */
  call(exported, size, ...args) {
    const result = this.alloc(8, size, 'engine');
    new Uint8Array(this.buffer, result, size).fill(0xa5);
    exported(...args.flat(), result);
    return result;
  }

  tag(result) {
    return this.array(Uint8Array, result, 1)[0];
  }

  problem(result, at) {
    const [code, pointer, length] = this.array(Uint32Array, result + at, 3);
    return { code, text: this.text(pointer, length) };
  }

  batch(result) {
    return {
      t0: this.array(BigInt64Array, result + 8, 1)[0],
      runs: [...this.listAt(Uint32Array, result + 16, 3)],
      dt: [...this.listAt(BigInt64Array, result + 24)],
      values: [...this.listAt(Float64Array, result + 32)],
      qualities: [...this.listAt(Uint32Array, result + 40)],
      texts: this.textsAt(result + 48),
    };
  }

  /** Frees what is the engine's, and fails if the plugin has left anything of its own. */
  post() {
    const left = [...this.allocated.values()].filter(({ owner }) => owner === 'plugin');
    if (left.length > 0) throw new Error(`left in memory: ${JSON.stringify(left)}`);
    this.allocated.clear();
    this.next = 1024;
  }
}
