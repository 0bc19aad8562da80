// Where a calculation puts its results.
//
// Invariants: rows keep the order in which they were emitted; a run ends where group or port change or time goes back; `qualities` stays
// empty while everything is good; texts are in order of first use.

import { Batch, Column, Runs, Texts } from "./batch";
import { Buffer, Utf8 } from "./memory";
import { Kind, Port } from "./plugin";
import { CODE_OWN, Problem } from "./problem";
import { Time } from "./time";

/** Buffers beyond that many rows (1.5 MB) are given back after the call, because memory is part of every checkpoint. */
export const ROWS_KEPT_MAX = 65_536;

/** Takes rows on their way out. Rows may come in any order; those of one group and port are cheapest in a row and by time. */
export class Output {
  /** Set by `fail`. */
  problem: Problem | null = null;
  t0: Time = 0;
  /** Three numbers per run: group, port, rows. */
  heads: Buffer<u32> = new Buffer<u32>();
  dt: Buffer<i64> = new Buffer<i64>();
  values: Buffer<f64> = new Buffer<f64>();
  qualities: Buffer<u32> = new Buffer<u32>();
  /** The texts, and where each of them ends. */
  private texts: Utf8 = new Utf8();
  private ends: Buffer<u32> = new Buffer<u32>();
  private lists: Buffer<u32> = new Buffer<u32>();
  private numbers: Map<string, i32> = new Map<string, i32>();
  private group: u32 = 0;
  private port: u32 = 0;
  private time: Time = 0;
  private kinds: StaticArray<Kind>;

  constructor(ports: Port[]) {
    this.kinds = new StaticArray<Kind>(ports.length);
    for (let i = 0; i < ports.length; i++) this.kinds[i] = ports[i].kind;
  }

  /** Emits a row on a number port. */
  emit(group: u32, port: u32, time: Time, value: f64, quality: u32): void {
    this.checkPort(port, Kind.NUMBER);
    this.push(group, port, time, value, quality);
  }

  /** Emits a row on a text port. */
  emitText(group: u32, port: u32, time: Time, text: string, quality: u32): void {
    this.checkPort(port, Kind.TEXT);
    this.push(group, port, time, <f64>this.number(text), quality);
  }

  /** Emits the values of a run on a number port, with their times and qualities. */
  emitRun(run: Runs, port: u32): void {
    this.checkPort(port, Kind.NUMBER);
    for (let i = 0; i < run.length; i++) this.push(run.group, port, run.time(i), run.values[i], run.quality(i));
  }

  /** The call has failed: nothing of it is emitted, and the text stands in the operator's status. Codes begin at 100. */
  fail(text: string, code: u32 = CODE_OWN): void {
    if (this.problem === null) this.problem = new Problem(code, text);
  }

  /** How many rows were emitted in this call. */
  get length(): i32 {
    return this.values.length;
  }

  /** Forgets the rows. The SDK calls it before every call. */
  reset(): void {
    if (this.values.capacity > ROWS_KEPT_MAX) {
      this.heads.free();
      this.dt.free();
      this.values.free();
      this.qualities.free();
    }
    this.problem = null;
    this.heads.length = 0;
    this.dt.length = 0;
    this.values.length = 0;
    this.qualities.length = 0;
    if (this.ends.length > 0) {
      this.texts.length = 0;
      this.ends.length = 0;
      this.numbers = new Map<string, i32>();
    }
  }

  /** Pointer and length of each text. They hold until the next text is emitted. */
  textLists(): Buffer<u32> {
    this.lists.length = 0;
    let start: u32 = 0;
    for (let i = 0; i < this.ends.length; i++) {
      const end = load<u32>(this.ends.at(i));
      this.lists.push(<u32>this.texts.ptr + start);
      this.lists.push(end - start);
      start = end;
    }
    return this.lists;
  }

  /** What was emitted, as a batch. It holds until the next row is emitted. */
  batch(): Batch {
    const lists = this.textLists();
    return new Batch(
      this.t0,
      new Column<u32>(this.heads.ptr, this.heads.length),
      new Column<i64>(this.dt.ptr, this.dt.length),
      new Column<f64>(this.values.ptr, this.values.length),
      new Column<u32>(this.qualities.ptr, this.qualities.length),
      new Texts(new Column<u32>(lists.ptr, lists.length)),
    );
  }

  private push(group: u32, port: u32, time: Time, value: f64, quality: u32): void {
    const heads = this.heads;
    if (heads.length > 0 && group == this.group && port == this.port && time >= this.time) {
      const rows = heads.at(heads.length - 1);
      store<u32>(rows, load<u32>(rows) + 1);
    } else {
      this.beginRun(group, port, time);
    }
    this.time = time;
    if (quality != 0 || this.qualities.length > 0) this.pushQuality(quality);
    this.dt.push(time - this.t0);
    this.values.push(value);
  }

  private beginRun(group: u32, port: u32, time: Time): void {
    if (this.heads.length == 0) this.t0 = time;
    this.heads.push(group);
    this.heads.push(port);
    this.heads.push(1);
    this.group = group;
    this.port = port;
  }

  /** Before the value is pushed. The first quality that is worth a word brings those of all rows before it. */
  private pushQuality(quality: u32): void {
    while (this.qualities.length < this.values.length) this.qualities.push(0);
    this.qualities.push(quality);
  }

  private number(text: string): i32 {
    if (this.numbers.has(text)) return this.numbers.get(text);
    const number = this.ends.length;
    this.texts.append(text);
    this.ends.push(this.texts.length);
    this.numbers.set(text, number);
    return number;
  }

  @inline
  private checkPort(port: u32, kind: Kind): void {
    if (port >= <u32>this.kinds.length || unchecked(this.kinds[port]) != kind) {
      throw new Error("an output port that does not exist, or carries texts where a number was emitted or the other way round");
    }
  }
}
