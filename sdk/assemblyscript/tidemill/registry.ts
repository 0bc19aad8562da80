// Which plugin the module is. A plugin's file ends with the exports of its world and one of these, for instance
//
//     export * from "../tidemill/calculation";
//     startCalculation(new Plugin());

import { Output } from "./output";
import { Aggregation, Calculation, Durable } from "./plugin";

let running: Calculation | null = null;
let emitting: Output | null = null;
let movable: Durable | null = null;
let aggregating: Aggregation | null = null;

/** The module is this calculation. */
export function startCalculation(plugin: Calculation): void {
  running = plugin;
  emitting = new Output(plugin.about().outputs);
}

/** The module is this calculation, whose state can move. */
export function startDurable(plugin: Durable): void {
  startCalculation(plugin);
  movable = plugin;
}

/** The module is this aggregation. */
export function startAggregation(plugin: Aggregation): void {
  aggregating = plugin;
}

export function calculation(): Calculation {
  const plugin = running;
  assert(plugin !== null, "startCalculation was not called");
  return plugin!;
}

export function output(): Output {
  const out = emitting;
  assert(out !== null, "startCalculation was not called");
  return out!;
}

export function durable(): Durable {
  const plugin = movable;
  assert(plugin !== null, "startDurable was not called");
  return plugin!;
}

export function aggregation(): Aggregation {
  const plugin = aggregating;
  assert(plugin !== null, "startAggregation was not called");
  return plugin!;
}
