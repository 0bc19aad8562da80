// The exports of the world `durable-calculation`: those of a calculation, save and load. registry.ts says how a plugin gets them.
//
// Invariant: what save returned is reachable from `states` until the next call of it.

import { broken, done, outcome } from "./abi";
import { Buffer } from "./memory";
import { Problem, CODE_OWN } from "./problem";
import { durable } from "./registry";

export * from "./calculation";

let states: Uint8Array[] = [];
const lists: Buffer<u32> = new Buffer<u32>();

export function save(groups: usize, count: i32): usize {
  states = [];
  lists.length = 0;
  for (let i = 0; i < count; i++) {
    const state = durable().save(load<u32>(groups + <usize>i * 4));
    states.push(state);
    lists.push(<u32>state.dataStart);
    lists.push(state.byteLength);
  }
  done();
  const area = memory.data(8, 4);
  store<u32>(area, lists.ptr);
  store<u32>(area, count, 4);
  return area;
}

// @ts-ignore: the name is that of the contract; inside of this file `load` still means the instruction
export { loadStates as load };

function loadStates(groups: usize, groupCount: i32, states: usize, stateCount: i32): usize {
  let problem: Problem | null = groupCount == stateCount ? null : broken("groups and states differ in length");
  for (let i = 0; i < groupCount && problem === null; i++) {
    const list = states + <usize>i * 8;
    const state = new Uint8Array(load<u32>(list, 4));
    if (state.length == 0) continue;
    memory.copy(state.dataStart, load<u32>(list), state.length);
    const wrong = durable().load(load<u32>(groups + <usize>i * 4), state);
    if (wrong.length > 0) problem = new Problem(CODE_OWN, wrong);
  }
  done();
  return outcome(problem);
}
