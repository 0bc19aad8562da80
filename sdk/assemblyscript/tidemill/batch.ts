// Rows of many groups and ports, as columns.
//
// Invariants: the rows of the runs add up to the length of the columns; `qualities` is empty (all good) or as long as the others; rows of
// a run are ordered by time. Columns are the memory that the host has written to: they are valid until the call returns.

import { CODE_CONTRACT, Problem } from "./problem";
import { Time } from "./time";

/** Numbers somewhere in memory. */
export class Column<T> {
  constructor(
    public ptr: usize = 0,
    public length: i32 = 0,
  ) {}

  @inline
  @operator("[]")
  get(index: i32): T {
    if (<u32>index >= <u32>this.length) throw new RangeError("a row that does not exist");
    return load<T>(this.ptr + (<usize>index << alignof<T>()));
  }

  @inline
  @operator("[]=")
  set(index: i32, value: T): void {
    if (<u32>index >= <u32>this.length) throw new RangeError("a row that does not exist");
    store<T>(this.ptr + (<usize>index << alignof<T>()), value);
  }

  /** The elements from `start` on, `length` of them. They are the same memory. */
  part(start: i32, length: i32): Column<T> {
    if (start < 0 || length < 0 || start + length > this.length) throw new RangeError("rows that do not exist");
    return new Column<T>(this.ptr + (<usize>start << alignof<T>()), length);
  }
}

/** Texts that rows refer to by number: UTF-8 in memory, made strings when they are asked for. */
export class Texts {
  private strings: (string | null)[];

  /** `lists` are pairs of pointer and length. */
  constructor(private lists: Column<u32>) {
    this.strings = new Array<string | null>(lists.length / 2);
  }

  /** The text that `value` stands for. */
  get(value: f64): string {
    if (!(value >= 0 && value < <f64>this.strings.length)) {
      throw new RangeError("a row of a number port, or one that the host made wrong, was asked for its text");
    }
    const index = <i32>value;
    const known = this.strings[index];
    if (known !== null) return known;
    const text = String.UTF8.decodeUnsafe(this.lists[2 * index], this.lists[2 * index + 1]);
    this.strings[index] = text;
    return text;
  }
}

export class Batch {
  constructor(
    /** What `dt` counts from. */
    public t0: Time,
    /** Three numbers each: group, port, rows. They cover the columns from the front without holes. */
    public heads: Column<u32>,
    /** Nanoseconds after `t0`. */
    public dt: Column<i64>,
    public values: Column<f64>,
    /** Empty when every row is good. */
    public qualities: Column<u32>,
    public texts: Texts,
  ) {}

  /** How many rows there are. */
  get length(): i32 {
    return this.values.length;
  }

  /** The rows, run by run: `const rows = input.rows(); while (rows.next()) …`. */
  rows(): Rows {
    return new Rows(this);
  }

  /** The runs with their columns: the fast way. `const runs = input.runs(); while (runs.next()) …`. */
  runs(): Runs {
    return new Runs(this);
  }

  /** Refuses columns whose lengths do not fit each other. */
  check(): Problem | null {
    let rows: u64 = 0;
    for (let i = 2; i < this.heads.length; i += 3) rows += this.heads[i];
    return checkColumns(rows, this.dt, this.values, this.qualities);
  }
}

/** Stands on one row after the other. */
export class Rows {
  group: u32 = 0;
  port: u32 = 0;
  time: Time = 0;
  value: f64 = 0;
  quality: u32 = 0;
  private head: i32 = 0;
  private left: u32 = 0;
  private at: i32 = 0;

  constructor(private batch: Batch) {}

  /** Goes to the next row, if there is one. */
  next(): bool {
    const batch = this.batch;
    const at = this.at;
    if (at >= batch.values.length) return false;
    while (this.left == 0) {
      this.group = batch.heads[this.head];
      this.port = batch.heads[this.head + 1];
      this.left = batch.heads[this.head + 2];
      this.head += 3;
    }
    this.left--;
    this.time = batch.t0 + batch.dt[at];
    this.value = batch.values[at];
    this.quality = batch.qualities.length > 0 ? batch.qualities[at] : 0;
    this.at = at + 1;
    return true;
  }

  /** What the row says, if its port carries texts. */
  get text(): string {
    return this.batch.texts.get(this.value);
  }
}

/** Stands on one run after the other: consecutive rows of one port of one group. */
export class Runs {
  group: u32 = 0;
  port: u32 = 0;
  t0: Time;
  dt: Column<i64> = new Column<i64>();
  values: Column<f64> = new Column<f64>();
  /** Empty when every row is good: the common case, worth a fast path. */
  qualities: Column<u32> = new Column<u32>();
  private head: i32 = 0;
  private at: i32 = 0;

  constructor(private batch: Batch) {
    this.t0 = batch.t0;
  }

  /** Goes to the next run, if there is one. */
  next(): bool {
    const batch = this.batch;
    if (this.head >= batch.heads.length) return false;
    this.group = batch.heads[this.head];
    this.port = batch.heads[this.head + 1];
    const rows = <i32>batch.heads[this.head + 2];
    this.head += 3;
    this.dt = batch.dt.part(this.at, rows);
    this.values = batch.values.part(this.at, rows);
    if (batch.qualities.length > 0) this.qualities = batch.qualities.part(this.at, rows);
    this.at += rows;
    return true;
  }

  /** How many rows there are. */
  get length(): i32 {
    return this.values.length;
  }

  /** Source time of a row. */
  time(index: i32): Time {
    return this.t0 + this.dt[index];
  }

  /** Quality of a row. */
  quality(index: i32): u32 {
    return this.qualities.length > 0 ? this.qualities[index] : 0;
  }

  /** What a row says, if the port carries texts. */
  text(index: i32): string {
    return this.batch.texts.get(this.values[index]);
  }
}

export function checkColumns(rows: u64, dt: Column<i64>, values: Column<f64>, qualities: Column<u32>): Problem | null {
  if (rows != values.length || dt.length != values.length) {
    return new Problem(CODE_CONTRACT, "the host broke the plugin contract: runs or windows, dt and values differ in length");
  }
  if (qualities.length > 0 && qualities.length != values.length) {
    return new Problem(CODE_CONTRACT, "the host broke the plugin contract: qualities and values differ in length");
  }
  return null;
}
