// The exports of the world `aggregation`: registry.ts says how a plugin gets them.

import { cabi_realloc, CONTRACT, described, done, failed, ok, outcome, storeList, textsIn } from "./abi";
import { Column } from "./batch";
import { Buffer } from "./memory";
import { ROWS_KEPT_MAX } from "./output";
import { Params } from "./params";
import { aggregation } from "./registry";
import { Windows } from "./window";

export { cabi_realloc };

const out: Buffer<f64> = new Buffer<f64>();

export function contract(): u32 {
  return CONTRACT;
}

export function describe(): usize {
  return described(aggregation().about());
}

export function configure(json: usize, length: i32): usize {
  const params = new Params(String.UTF8.decodeUnsafe(json, length));
  if (params.problem === null) aggregation().configure(params);
  params.finish();
  done();
  return outcome(params.problem);
}

export function aggregate(
  heads: usize,
  headCount: i32,
  dt: usize,
  dtCount: i32,
  values: usize,
  valueCount: i32,
  qualities: usize,
  qualityCount: i32,
  texts: usize,
  textCount: i32,
): usize {
  const windows = new Windows(
    heads,
    headCount,
    new Column<i64>(dt, dtCount),
    new Column<f64>(values, valueCount),
    new Column<u32>(qualities, qualityCount),
    textsIn(texts, textCount),
  );
  if (out.capacity > ROWS_KEPT_MAX) out.free();
  const problem = windows.aggregate(aggregation(), aggregation().about().outputs.length, out);
  done();
  if (problem !== null) return failed(problem, 4);
  const result = ok();
  storeList(result + 4, out.ptr, out.length);
  return result;
}
