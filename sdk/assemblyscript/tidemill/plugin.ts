// What an author implements.

import { Batch, Column } from "./batch";
import { Output } from "./output";
import { Params } from "./params";
import { Time } from "./time";
import { Window } from "./window";

/** What the rows of a port carry. The numbers are those of the contract. */
export enum Kind {
  NUMBER = 0,
  /** Texts and named states. */
  TEXT = 1,
}

export class Port {
  constructor(
    /** Letters, digits, `-` and `_`; unique among the inputs, and among the outputs. */
    public name: string,
    public kind: Kind = Kind.NUMBER,
  ) {}
}

/** What a plugin is. Ports are numbered by their place. */
export class About {
  constructor(
    /** Lower-case letters, digits and hyphens. */
    public name: string,
    /** Free text, by custom a semantic version. */
    public version: string,
    /** At least one; exactly one for an aggregation. */
    public inputs: Port[],
    /** At least one. An aggregation's are all numbers. */
    public outputs: Port[],
  ) {}
}

/**
 * Samples in, samples out. The state is the plugin's memory, which the host saves and restores between calls; it may restore an older
 * image and repeat calls, so results must depend on the parameters and on the calls alone.
 */
export abstract class Calculation {
  abstract about(): About;

  /** Takes the parameters; called once, before anything else. What nobody took is refused afterwards. */
  configure(params: Params): void {}

  /** Takes new rows in journal order: they may be older than rows of earlier calls. */
  abstract process(input: Batch, output: Output): void;

  /** Rows with a source time below the watermark are not expected any more. The only timer. */
  advance(watermark: Time, output: Output): void {}
}

/** A calculation whose state can move into another version of it. */
export abstract class Durable extends Calculation {
  /** The state of a group as bytes, none if there is nothing to keep. */
  abstract save(group: u32): Uint8Array;

  /** Takes over what `save` of this or of an older version returned, after `configure`. Returns what is wrong, or nothing. */
  abstract load(group: u32, state: Uint8Array): string;
}

/**
 * Closed windows in, values out. The host calls again for a window that a late sample changed, so nothing may be carried from one window
 * to the next.
 */
export abstract class Aggregation {
  abstract about(): About;

  /** As that of a calculation. */
  configure(params: Params): void {}

  /** Fills `out`, one place per output port. The places hold NaN, which means: no value. */
  abstract aggregate(window: Window, out: Column<f64>): void;
}
