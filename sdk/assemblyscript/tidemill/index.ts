// Everything a plugin is written with. The exports of each world lie in calculation.ts, durable.ts and aggregation.ts; state by key is in
// kv.ts, and what tests need in testing.ts.

export * from "./abort";
export * from "./batch";
export * from "./groups";
export * from "./log";
export * from "./output";
export * from "./params";
export * from "./plugin";
export * from "./problem";
export * from "./quality";
export { startAggregation, startCalculation, startDurable } from "./registry";
export * from "./time";
export * from "./window";
