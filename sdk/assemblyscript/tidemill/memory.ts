// Memory outside of the collector's reach: what the host writes to, and buffers that grow.
//
// Invariants: what `Arena.take` returned stays untouched until `reset`, which is called once per call of the host, when its lists have
// been used. Calls of equal size allocate nothing.

/** Smaller costs more allocations while the arena grows, larger is memory that every operator has. */
const CHUNK_BYTES_MIN: usize = 16 << 10;
/** What one unusually large call took beyond this is given back, because memory is part of every checkpoint. */
const KEPT_BYTES_MAX: usize = 4 << 20;
/** A chunk begins with the pointer to the one before; more than a pointer, so that what follows is aligned. */
const HEAD_BYTES: usize = 16;

/** Memory that is all given back at once. */
export class Arena {
  private last: usize = 0;
  private used: usize = 0;
  private size: usize = 0;
  private total: usize = 0;
  private want: usize = CHUNK_BYTES_MIN;

  /** Memory of an alignment up to 16. */
  take(align: usize, bytes: usize): usize {
    let start = (this.used + align - 1) & ~(align - 1);
    if (this.last == 0 || start + bytes > this.size) {
      this.grow(bytes);
      start = HEAD_BYTES;
    }
    this.used = start + bytes;
    return this.last + start;
  }

  /** Gives everything back. It keeps one chunk; if there were several, the next will be as large as all of them. */
  reset(): void {
    if (this.total > this.size || this.total > KEPT_BYTES_MAX) {
      this.want = min(this.total, KEPT_BYTES_MAX);
      while (this.last != 0) {
        const before = load<usize>(this.last);
        heap.free(this.last);
        this.last = before;
      }
      this.size = 0;
      this.total = 0;
    }
    this.used = HEAD_BYTES;
  }

  private grow(bytes: usize): void {
    const size = max(max(bytes + HEAD_BYTES, this.want), this.total);
    const chunk = heap.alloc(size);
    store<usize>(chunk, this.last);
    this.last = chunk;
    this.size = size;
    this.total += size;
  }
}

/** Numbers that grow at their end. It never gives memory back by itself: keep few, and for long. */
export class Buffer<T> {
  ptr: usize = 0;
  length: i32 = 0;
  capacity: i32 = 0;

  push(value: T): void {
    if (this.length == this.capacity) this.reserve(this.length + 1);
    store<T>(this.ptr + (<usize>this.length << alignof<T>()), value);
    this.length += 1;
  }

  /** Makes room for `length` elements altogether. */
  reserve(length: i32): void {
    if (length <= this.capacity) return;
    this.capacity = max(max(length, 2 * this.capacity), 64);
    const bytes = <usize>this.capacity << alignof<T>();
    this.ptr = this.ptr == 0 ? heap.alloc(bytes) : heap.realloc(this.ptr, bytes);
  }

  /** Where element `index` lies. */
  @inline
  at(index: i32): usize {
    return this.ptr + (<usize>index << alignof<T>());
  }

  /** Gives the memory back. */
  free(): void {
    if (this.ptr != 0) heap.free(this.ptr);
    this.ptr = 0;
    this.length = 0;
    this.capacity = 0;
  }
}

/** Texts as UTF-8, one behind the other. */
export class Utf8 extends Buffer<u8> {
  /** Becomes `text`. */
  set(text: string): void {
    this.length = 0;
    this.append(text);
  }

  /** Appends `text` and returns its length in bytes. Halves of surrogate pairs become replacement characters. */
  append(text: string): i32 {
    // three bytes for each of UTF-16's units are always enough
    this.reserve(this.length + 3 * text.length);
    const mode = String.UTF8.ErrorMode.REPLACE;
    const bytes = <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.at(this.length), false, mode);
    this.length += bytes;
    return bytes;
  }
}
