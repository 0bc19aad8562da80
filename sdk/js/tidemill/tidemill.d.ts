// Types of the SDK. Times are nanoseconds since the Unix epoch, UTC, as bigint. Qualities are raw OPC UA StatusCodes.

export interface Port {
  name: string;
  kind: 'number' | 'text';
}

/** A port whose rows carry numbers. */
export function number(name: string): Port;

/** A port whose rows carry texts. */
export function text(name: string): Port;

/** What a plugin is. Ports are numbered by their place in the lists; a bare name is a port of numbers. */
export interface About {
  /** Lower-case letters, digits and hyphens. */
  name: string;
  /** By custom a semantic version. */
  version: string;
  /** At least one; exactly one for an aggregation. */
  inputs: (Port | string)[];
  /** At least one; all numbers for an aggregation. */
  outputs: (Port | string)[];
}

/**
 * Samples in, samples out, with state: extend it, give it `static about`, and export the class as default. The state is whatever the
 * object holds; the host saves the memory it is in. Results must depend on parameters and calls alone.
 */
export abstract class Calculation {
  /** Takes the parameters; called once, before any rows. What nobody takes is refused afterwards. */
  configure(params: Params): void;
  /** Takes new rows, in journal order: they may be older than rows of earlier calls. */
  abstract process(input: Batch, output: Output): void;
  /** The watermark has grown: rows with a time below it are not expected any more. The only timer there is. */
  advance(watermark: bigint, output: Output): void;
  /** With `load`: the state of a group, to be taken over by another version of the plugin. */
  save?(group: number): Uint8Array | string | undefined;
  /** With `save`: takes over a state that this or an older version has saved. */
  load?(group: number, state: Uint8Array): void;
}

/** Closed windows in, values out. Carry nothing from one window to the next. */
export abstract class Aggregation {
  configure(params: Params): void;
  /** Fills `out`, one place per output port. The places hold NaN, which means: no value. */
  abstract aggregate(window: Window, out: Float64Array): void;
}

/** The parameters of an operator. Without a fallback a parameter must be there. */
export class Params {
  constructor(json: string);
  number(name: string, fallback?: number): number;
  /** A number that is 0 or more. */
  nonNegative(name: string, fallback?: number): number;
  text(name: string, fallback?: string): string;
  flag(name: string, fallback?: boolean): boolean;
  /** Refuses what nobody has taken; the SDK calls it after `configure`. */
  finish(): void;
}

/** Throw it to refuse parameters or a batch. Any other error counts as a failure of the plugin, like a trap. */
export class Problem extends Error {
  /** `code` is the plugin's own, from 100 upwards. */
  constructor(text: string, code?: number);
  readonly code: number;
  /** Parameter `name` is wrong because of `reason`. */
  static parameter(name: string, reason: string): Problem;
}

/** Rows as columns. Columns and runs are good until the call returns. */
export class Batch {
  readonly length: number;
  readonly runs: Run[];
  readonly values: Float64Array;
  /** As long as `values`; zeros when every row is good. */
  readonly qualities: Uint32Array;
  readonly isAllGood: boolean;
  /** What the values of text ports point at. */
  readonly texts: readonly string[];
  readonly t0: bigint;
  /** Nanoseconds after t0, as they came. */
  readonly offsets: BigInt64Array;
  /** The same as plain numbers, exact within 2^53. Made on first use. */
  readonly dt: Float64Array;
  /** Absolute times. Made on first use. */
  readonly times: BigInt64Array;
  /** The rows, run by run, each a new object: comfortable, and several times slower than columns. */
  rows(): IterableIterator<Row>;
  /** The rows by group, then time, then port, for calculations that combine several inputs. */
  rowsByTime(): Row[];
}

/** Rows [start, end) of the columns belong to one port of one group; they are ordered by time. */
export class Run {
  readonly group: number;
  readonly port: number;
  readonly start: number;
  readonly end: number;
  readonly length: number;
}

export class Row {
  readonly group: number;
  readonly port: number;
  readonly time: bigint;
  readonly value: number;
  readonly quality: number;
  /** What a row of a text port says. */
  readonly text: string | undefined;
}

/** Where a calculation puts its results. */
export class Output {
  /** Emits a number on a port of numbers. */
  push(group: number, port: number, time: bigint, value: number, quality?: number): void;
  /** Emits a text on a port of texts. */
  text(group: number, port: number, time: bigint, text: string, quality?: number): void;
  /** Emits one number per row of `run`, at the times and, unless `codes` are given, with the qualities of these rows. */
  column(batch: Batch, run: Run, port: number, results: Float64Array, codes?: Uint32Array): void;
  /** How many rows were emitted in this call. */
  readonly length: number;
}

/** One closed window of one group: times in [start, end), sorted. Columns are good until the call returns. */
export class Window {
  readonly group: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly length: number;
  readonly values: Float64Array;
  readonly qualities: Uint32Array;
  readonly isAllGood: boolean;
  readonly texts: readonly string[];
  /** Nanoseconds after `start`, as they came. */
  readonly offsets: BigInt64Array;
  /** The same as plain numbers. */
  readonly dt: Float64Array;
  time(index: number): bigint;
  rows(): IterableIterator<WindowRow>;
}

export class WindowRow {
  readonly time: bigint;
  readonly value: number;
  readonly quality: number;
  readonly text: string | undefined;
}

/** One state per group; iterates over [group, state] in order of the numbers. */
export class Groups<T> implements Iterable<[number, T]> {
  constructor(create: (group: number) => T);
  of(group: number): T;
  readonly length: number;
  entries(): IterableIterator<[number, T]>;
  [Symbol.iterator](): IterableIterator<[number, T]>;
}

export const GOOD: 0;
export const UNCERTAIN: 0x40000000;
export const BAD: 0x80000000;
export function isGood(quality: number): boolean;
export function isUncertain(quality: number): boolean;
export function isBad(quality: number): boolean;
/** The one with the worse severity; `a` when they are equally severe. */
export function worst(a: number, b: number): number;

/** The operator's log. It is for people and cannot influence a result. */
export const log: {
  error(line: unknown): void;
  warn(line: unknown): void;
  info(line: unknown): void;
  debug(line: unknown): void;
};

/** State by key that the host keeps for a calculation. Strings are UTF-8. */
export const kv: {
  get(group: number, key: string | Uint8Array): Uint8Array | undefined;
  getText(group: number, key: string | Uint8Array): string | undefined;
  set(group: number, key: string | Uint8Array, value: string | Uint8Array): void;
  remove(group: number, key: string | Uint8Array): void;
};
