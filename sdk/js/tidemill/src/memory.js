// Lists of the canonical ABI in the plugin's linear memory.
//
// Invariants: what the host or the engine has allocated (lists handed in, answers of imports) is freed with `dealloc` once it has been
// copied out; what was allocated with `realloc` here is freed by the engine after the call, and never by us. A view of
// `memory.buffer` is made anew after every allocation, which may grow it.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export class Memory {
  /** `abi` is what `build/bindings.js` hands over: memory, realloc, dealloc and the imports. */
  constructor({ memory, realloc, dealloc }) {
    this.memory = memory;
    this.realloc = realloc;
    this.dealloc = dealloc;
  }

  /** The elements of a list handed in: a view, good until `free`. */
  view(Type, pointer, length) {
    return length === 0 ? new Type(0) : new Type(this.memory.buffer, pointer, length);
  }

  /** Gives back a list handed in. */
  free(pointer, bytes, align) {
    if (bytes !== 0) this.dealloc(pointer, bytes, align);
  }

  /** Copies a list of numbers out and frees it. */
  takeNumbers(Type, pointer, length) {
    const numbers = this.view(Type, pointer, length).slice();
    this.free(pointer, length * Type.BYTES_PER_ELEMENT, Type.BYTES_PER_ELEMENT);
    return numbers;
  }

  takeText(pointer, length) {
    const text = decoder.decode(this.view(Uint8Array, pointer, length));
    this.free(pointer, length, 1);
    return text;
  }

  /** A list of lists of bytes, or of texts: pointer and length per element. `take` is called with both. */
  takeLists(pointer, length, take) {
    const heads = this.takeNumbers(Uint32Array, pointer, length * 2);
    return Array.from({ length }, (_, i) => take(heads[2 * i], heads[2 * i + 1]));
  }

  takeTexts(pointer, length) {
    return this.takeLists(pointer, length, (at, bytes) => this.takeText(at, bytes));
  }

  /** Puts a typed array into new memory and returns its address. */
  put(array) {
    const { byteLength, byteOffset, buffer, BYTES_PER_ELEMENT } = array;
    if (byteLength === 0) return BYTES_PER_ELEMENT;
    const pointer = this.realloc(0, 0, BYTES_PER_ELEMENT, byteLength);
    new Uint8Array(this.memory.buffer, pointer, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
    return pointer;
  }

  /** [pointer, length] of a typed array in new memory. */
  list(array) {
    return [this.put(array), array.length];
  }

  text(text) {
    return this.list(encoder.encode(text));
  }

  /** [pointer, length] of a list whose elements are given as lists of u32. */
  records(records) {
    return [this.put(new Uint32Array(records.flat())), records.length];
  }

  /** Writes u32 words to an area of results. */
  words(pointer, words) {
    new Uint32Array(this.memory.buffer, pointer, words.length).set(words);
  }

  setInt64(pointer, value) {
    new BigInt64Array(this.memory.buffer, pointer, 1)[0] = value;
  }
}
