// What the exports of every world share: lists in, and the results that look alike. Layouts are those of the contract.
//
// Invariants: what a result points to stays where it is until the next call; nothing of what the host passed in is used after `done`.

import "./abort"; // the compiler is told of it, so every module must have it
import { Column, Texts } from "./batch";
import { Arena, Utf8 } from "./memory";
import { About, Port } from "./plugin";
import { CODE_CONTRACT, Problem } from "./problem";

/** The version of the contract: 2 stands for 0.2. */
export const CONTRACT: u32 = 2;

const arena = new Arena();
const reason = new Utf8();
const names = new Utf8();
/** 56 bytes, align 8: as large as the largest result. */
const area = memory.data(56, 8);

/** Memory that the host writes a list to. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  const fresh = arena.take(align, size);
  memory.copy(fresh, old, min(oldSize, size));
  return fresh;
}

/** Nothing of the lists that were passed in is needed any more. */
export function done(): void {
  arena.reset();
}

/** The strings of a call. */
export function textsIn(ptr: usize, length: i32): Texts {
  return new Texts(new Column<u32>(ptr, 2 * length));
}

/** Clears the result area, so that it says `ok`, and returns it. */
export function ok(): usize {
  memory.fill(area, 0, 56);
  return area;
}

/** The result `err(problem)`. Where its fields lie depends on how strictly the result is aligned: 4, or 8 for process and advance. */
export function failed(problem: Problem, align: usize): usize {
  reason.set(problem.text);
  const result = ok();
  store<u8>(result, 1);
  store<u32>(result + align, problem.code);
  storeList(result + align + 4, reason.ptr, reason.length);
  return result;
}

/** The result of a call that returns nothing. */
export function outcome(problem: Problem | null): usize {
  return problem === null ? ok() : failed(problem, 4);
}

export function broken(text: string): Problem {
  return new Problem(CODE_CONTRACT, "the host broke the plugin contract: " + text);
}

export function storeList(at: usize, ptr: usize, length: i32): void {
  store<u32>(at, ptr);
  store<u32>(at + 4, length);
}

/** The result of describe: 32 bytes, and 12 for each port. */
export function described(about: About): usize {
  names.length = 0;
  names.reserve(12 * (about.inputs.length + about.outputs.length) + 3 * nameUnits(about));
  const inputs = names.ptr;
  const outputs = inputs + 12 * <usize>about.inputs.length;
  names.length = 12 * (about.inputs.length + about.outputs.length);
  const result = ok();
  storeText(result, about.name);
  storeText(result + 8, about.version);
  storeList(result + 16, inputs, about.inputs.length);
  storeList(result + 24, outputs, about.outputs.length);
  storePorts(inputs, about.inputs);
  storePorts(outputs, about.outputs);
  return result;
}

/** Everything that `storeText` will store, so that the buffer never moves between. */
function nameUnits(about: About): i32 {
  let units = about.name.length + about.version.length;
  for (let i = 0; i < about.inputs.length; i++) units += about.inputs[i].name.length;
  for (let i = 0; i < about.outputs.length; i++) units += about.outputs[i].name.length;
  return units;
}

function storePorts(at: usize, ports: Port[]): void {
  for (let i = 0; i < ports.length; i++, at += 12) {
    storeText(at, ports[i].name);
    store<u32>(at + 8, ports[i].kind);
  }
}

function storeText(at: usize, text: string): void {
  const start = names.length;
  const bytes = names.append(text);
  storeList(at, names.at(start), bytes);
}
