// Drives a plugin from a test: rows in, rows out, no server.
//
// A test is an exported function whose name begins with `test`, in a file that the compiler makes a module of; run-tests.mjs calls each in
// an instance of its own. What a check finds is an error, and an error ends the test with its text and place.

import { Batch, Column, Rows } from "./batch";
import { Buffer } from "./memory";
import { Output } from "./output";
import { Params } from "./params";
import { Aggregation, Calculation, Kind, Port } from "./plugin";
import { Problem } from "./problem";
import { Time } from "./time";
import { Windows } from "./window";

/** A row of any port. Of value and text, the kind says which one counts. */
export class Row {
  constructor(
    public group: u32,
    public port: u32,
    public time: Time,
    public kind: Kind,
    public value: f64,
    public text: string,
    public quality: u32,
  ) {}

  static number(group: u32, port: u32, time: Time, value: f64, quality: u32 = 0): Row {
    return new Row(group, port, time, Kind.NUMBER, value, "", quality);
  }

  static text(group: u32, port: u32, time: Time, text: string, quality: u32 = 0): Row {
    return new Row(group, port, time, Kind.TEXT, 0, text, quality);
  }

  toString(): string {
    const what = this.kind == Kind.TEXT ? '"' + this.text + '"' : this.value.toString();
    const where = "group " + this.group.toString() + " port " + this.port.toString() + " at " + this.time.toString();
    return where + ": " + what + " quality " + this.quality.toString(16);
  }
}

/** A configured calculation. */
export class Harness {
  /** What the last call said when it failed. */
  problem: Problem | null = null;
  private output: Output;
  private inputs: Port[];
  private outputs: Port[];

  /** Parameters are a JSON object like those of a deployment. If they are refused, that ends the test. */
  constructor(
    private plugin: Calculation,
    params: string,
  ) {
    const about = plugin.about();
    this.inputs = about.inputs;
    this.outputs = about.outputs;
    this.output = new Output(about.outputs);
    const problem = refused(plugin, params);
    if (problem.length > 0) throw new Error(problem);
  }

  /** Passes rows in one batch and returns what was emitted, in the order in which it was emitted. */
  process(rows: Row[]): Row[] {
    this.output.reset();
    const input = batchOf(rows, this.inputs);
    this.plugin.process(input, this.output);
    return this.emitted();
  }

  /** Moves the watermark and returns what was emitted. */
  advance(watermark: Time): Row[] {
    this.output.reset();
    this.plugin.advance(watermark, this.output);
    return this.emitted();
  }

  private emitted(): Row[] {
    this.problem = this.output.problem;
    return this.problem === null ? rowsOf(this.output.batch().rows(), this.outputs) : [];
  }
}

/** Why a calculation refuses the parameters; empty when it takes them. */
export function refused(plugin: Calculation, json: string): string {
  const params = new Params(json);
  if (params.problem === null) plugin.configure(params);
  return finished(params);
}

/** Configures an aggregation and passes one window with rows in order of time. Returns one value per output port. */
export function aggregated(plugin: Aggregation, json: string, start: Time, end: Time, rows: Row[]): f64[] {
  const params = new Params(json);
  if (params.problem === null) plugin.configure(params);
  const wrong = finished(params);
  if (wrong.length > 0) throw new Error(wrong);
  const about = plugin.about();
  const input = batchOf(rows, about.inputs);
  const dt = new Buffer<i64>();
  for (let i = 0; i < rows.length; i++) {
    if (rows[i].time < start || rows[i].time >= end || (i > 0 && rows[i].time < rows[i - 1].time)) {
      throw new RangeError("a row is not in the window or not in order of time: a host never does that");
    }
    dt.push(rows[i].time - start);
  }
  const head = memory.data(24, 8);
  store<u32>(head, 0);
  store<u32>(head, rows.length, 4);
  store<i64>(head, start, 8);
  store<i64>(head, end, 16);
  const times = new Column<i64>(dt.ptr, dt.length);
  const out = new Buffer<f64>();
  const windows = new Windows(head, 1, times, input.values, input.qualities, input.texts);
  const problem = windows.aggregate(plugin, about.outputs.length, out);
  if (problem !== null) throw new Error(problem.text);
  const values: f64[] = [];
  for (let i = 0; i < out.length; i++) values.push(load<f64>(out.at(i)));
  return values;
}

/** Both lists of rows must be equal, bit for bit. */
export function checkRows(step: string, got: Row[], want: Row[]): void {
  for (let i = 0; i < max(got.length, want.length); i++) {
    const a = i < got.length ? got[i].toString() : "nothing";
    const b = i < want.length ? want[i].toString() : "nothing";
    const equal = a == b && reinterpret<u64>(got[i].value) == reinterpret<u64>(want[i].value);
    if (!equal) throw new Error(step + ", row " + i.toString() + ": got " + a + ", want " + b);
  }
}

/** Both must be equal. */
export function check<T>(step: string, got: T, want: T): void {
  if (got != want) throw new Error(step + ": got " + got.toString() + ", want " + want.toString());
}

function finished(params: Params): string {
  params.finish();
  const problem = params.problem;
  return problem === null ? "" : problem.text;
}

function batchOf(rows: Row[], ports: Port[]): Batch {
  const input = new Output(ports);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (row.kind == Kind.TEXT) input.emitText(row.group, row.port, row.time, row.text, row.quality);
    else input.emit(row.group, row.port, row.time, row.value, row.quality);
  }
  return input.batch();
}

function rowsOf(rows: Rows, ports: Port[]): Row[] {
  const out: Row[] = [];
  while (rows.next()) {
    const row =
      ports[rows.port].kind == Kind.TEXT
        ? Row.text(rows.group, rows.port, rows.time, rows.text, rows.quality)
        : Row.number(rows.group, rows.port, rows.time, rows.value, rows.quality);
    out.push(row);
  }
  return out;
}
