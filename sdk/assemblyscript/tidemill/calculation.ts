// The exports of the world `calculation`: registry.ts says how a plugin gets them.

import { cabi_realloc, CONTRACT, described, done, failed, ok, outcome, storeList, textsIn } from "./abi";
import { Batch, Column } from "./batch";
import { Output } from "./output";
import { Params } from "./params";
import { calculation, output } from "./registry";
import { Time } from "./time";

export { cabi_realloc };

export function contract(): u32 {
  return CONTRACT;
}

export function describe(): usize {
  return described(calculation().about());
}

export function configure(json: usize, length: i32): usize {
  const params = new Params(String.UTF8.decodeUnsafe(json, length));
  if (params.problem === null) calculation().configure(params);
  params.finish();
  done();
  return outcome(params.problem);
}

export function process(
  t0: Time,
  runs: usize,
  runCount: i32,
  dt: usize,
  dtCount: i32,
  values: usize,
  valueCount: i32,
  qualities: usize,
  qualityCount: i32,
  texts: usize,
  textCount: i32,
): usize {
  const out = output();
  out.reset();
  const input = new Batch(
    t0,
    new Column<u32>(runs, 3 * runCount),
    new Column<i64>(dt, dtCount),
    new Column<f64>(values, valueCount),
    new Column<u32>(qualities, qualityCount),
    textsIn(texts, textCount),
  );
  out.problem = input.check();
  if (out.problem === null) calculation().process(input, out);
  done();
  return emitted(out);
}

export function advance(watermark: Time): usize {
  const out = output();
  out.reset();
  calculation().advance(watermark, out);
  return emitted(out);
}

function emitted(out: Output): usize {
  const problem = out.problem;
  if (problem !== null) return failed(problem, 8);
  const texts = out.textLists();
  const result = ok();
  store<i64>(result + 8, out.t0);
  storeList(result + 16, out.heads.ptr, out.heads.length / 3);
  storeList(result + 24, out.dt.ptr, out.dt.length);
  storeList(result + 32, out.values.ptr, out.values.length);
  storeList(result + 40, out.qualities.ptr, out.qualities.length);
  storeList(result + 48, texts.ptr, texts.length / 2);
  return result;
}
