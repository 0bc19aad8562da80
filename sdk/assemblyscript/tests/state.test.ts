// State by key, and state that moves: the exports of a durable calculation, called as a host does.

import { About, Batch, Durable, Output, Port, startDurable } from "../tidemill";
import { cabi_realloc } from "../tidemill/abi";
import { load as loadStates, save } from "../tidemill/durable";
import { kv } from "../tidemill/kv";
import { check } from "../tidemill/testing";

export { cabi_realloc };

function bytes(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? "nothing" : String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

export function testTheHostKeepsStateByGroupAndKey(): void {
  kv.set(1, bytes("a"), bytes("first"));
  kv.set(2, bytes("a"), bytes(""));
  check("value", text(kv.get(1, bytes("a"))), "first");
  check("empty value", text(kv.get(2, bytes("a"))), "");
  check("other group", text(kv.get(3, bytes("a"))), "nothing");
  kv.set(1, bytes("a"), bytes("second"));
  check("newer value", text(kv.get(1, bytes("a"))), "second");
  kv.remove(1, bytes("a"));
  check("removed", text(kv.get(1, bytes("a"))), "nothing");
}

class Names extends Durable {
  names: Map<u32, string> = new Map<u32, string>();

  about(): About {
    return new About("names", "1", [new Port("value")], [new Port("value")]);
  }

  process(input: Batch, output: Output): void {}

  save(group: u32): Uint8Array {
    return this.names.has(group) ? bytes(this.names.get(group)) : new Uint8Array(0);
  }

  load(group: u32, state: Uint8Array): string {
    this.names.set(group, text(state));
    return text(state) == "bad" ? "state of an unknown version" : "";
  }
}

export function testStateMovesIntoAnotherInstance(): void {
  const old = new Names();
  old.names.set(3, "three");
  old.names.set(5, "five");
  startDurable(old);
  const groups = memory.data<u32>([5, 4, 3]);
  const area = save(groups, 3);
  check("states", load<u32>(area, 4), 3);

  const young = new Names();
  startDurable(young);
  check("result", load<u8>(loadStates(groups, 3, load<u32>(area), 3)), 0);
  check("groups with state", young.names.size, 2);
  check("five", young.names.get(5), "five");
  check("three", young.names.get(3), "three");
}

export function testStateThatIsNotUnderstoodIsAProblem(): void {
  const plugin = new Names();
  plugin.names.set(0, "bad");
  startDurable(plugin);
  const groups = memory.data<u32>([0]);
  const area = save(groups, 1);
  const result = loadStates(groups, 1, load<u32>(area), 1);
  check("failed", load<u8>(result), 1);
  check("code", load<u32>(result, 4), 100);
  check("text", String.UTF8.decodeUnsafe(load<u32>(result, 8), load<u32>(result, 12)), "state of an unknown version");
  check("uneven lists", load<u32>(loadStates(groups, 1, 0, 0), 4), 2);
}
