// A buffer for one column that is used again in every call.
//
// Invariant: it does not stay larger than ROWS_KEPT_MAX elements, because everything in memory is part of each checkpoint.

/** Buffers beyond this many rows (half a megabyte per column of 8 bytes) are given back after the call. */
export const ROWS_KEPT_MAX = 65_536;

export const NO_TEXTS = Object.freeze([]);

export class Column {
  constructor(Type) {
    this.Type = Type;
    this.buffer = new Type(0);
  }

  /** Room for `length` elements, of any content. */
  room(length) {
    const tooLarge = this.buffer.length > ROWS_KEPT_MAX && length <= ROWS_KEPT_MAX;
    if (this.buffer.length < length || tooLarge) this.buffer = new this.Type(Math.max(length, 256));
    return this.buffer.length === length ? this.buffer : this.buffer.subarray(0, length);
  }

  copyOf(source) {
    const column = this.room(source.length);
    column.set(source);
    return column;
  }

  zeros(length) {
    return this.room(length).fill(0);
  }
}
