// Types of the test harness.

import type { Aggregation, Calculation } from './tidemill.js';

export interface TestRow {
  group?: number;
  port?: number;
  time: bigint;
  value?: number;
  text?: string;
  quality?: number;
}

/** Nanoseconds since the epoch of a whole number of seconds. */
export function seconds(count: number): bigint;

/** Drives a calculation. Its key-value state starts empty. */
export class Harness<P extends Calculation = Calculation> {
  constructor(Plugin: new () => P, params?: object);
  readonly plugin: P;
  /** Passes rows in one batch, in this order, and returns what was emitted. */
  process(rows: TestRow[]): TestRow[];
  /** Moves the watermark and returns what was emitted. */
  advance(watermark: bigint): TestRow[];
}

/** Drives an aggregation. */
export class AggregationHarness<P extends Aggregation = Aggregation> {
  constructor(Plugin: new () => P, params?: object);
  readonly plugin: P;
  /** Passes one window [start, end) and returns one value per output port. */
  window(start: bigint, end: bigint, rows: TestRow[]): number[];
}
