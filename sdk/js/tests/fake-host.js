// A host for tests: linear memory, an allocator that knows what is allocated, and the calls of the contract with its bytes.
//
// Invariant: memory is freed with the size it was allocated with, and once; the engine's own frees of results are played by `post`.

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
      realloc: (old, oldSize, align, size) => this.alloc(align, size),
      dealloc: (pointer, size) => this.free(pointer, size),
      log: (level, pointer, length) => this.lines.push([level, this.text(pointer, length)]),
      get: (group, key, keyLength, answer) => this.get(group, this.text(key, keyLength), answer),
      set: (group, key, keyLength, value, length) =>
        this.kv.set(`${group}/${this.text(key, keyLength)}`, this.array(Uint8Array, value, length)),
      remove: (group, key, keyLength) => this.kv.delete(`${group}/${this.text(key, keyLength)}`),
    };
  }

  alloc(align, size) {
    const pointer = Math.ceil(this.next / align) * align;
    this.next = pointer + size;
    this.allocated.set(pointer, size);
    return pointer;
  }

  free(pointer, size) {
    if (this.allocated.get(pointer) !== size) throw new Error(`free of ${size} bytes at ${pointer}: not allocated so`);
    this.allocated.delete(pointer);
  }

  get(group, key, answer) {
    const value = this.kv.get(`${group}/${key}`);
    const words = value === undefined ? [0, 0, 0] : [1, ...this.list(value)];
    new Uint32Array(this.buffer, answer, 3).set(words);
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
    const result = this.alloc(8, size);
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

  /** Frees what a call has left, and returns how much that was. */
  post() {
    const left = this.allocated.size;
    this.allocated.clear();
    this.next = 1024;
    return left;
  }
}
