// Everything a plugin needs. An author extends Calculation or Aggregation and exports the class as default; `build/` makes a
// WebAssembly component of it, and `testing.js` drives it natively.
//
// Invariants: nothing in here offers a clock, randomness or an order that could differ from run to run; memory does not grow with
// the number of calls. Types and explanations of everything exported are in `tidemill.d.ts`.

export { Aggregation, Calculation, number, text } from './src/about.js';
export { Batch, Row, Run } from './src/batch.js';
export { Groups } from './src/groups.js';
export { kv, log } from './src/host.js';
export { Output } from './src/output.js';
export { Params } from './src/params.js';
export { Problem } from './src/problem.js';
export { BAD, GOOD, UNCERTAIN, isBad, isGood, isUncertain, worst } from './src/quality.js';
export { Window, WindowRow } from './src/window.js';
