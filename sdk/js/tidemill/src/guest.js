// A plugin as the host sees it: the functions of the contract over linear memory (docs/plugins/contract.md has the bytes).
//
// Every function of a world gets its arguments as the canonical ABI flattens them, then the address of its area for results, and
// returns a promise, because the engine awaits one.
//
// Invariants: lists handed in are freed in the same call, whatever the plugin does; a Problem becomes an error of the contract; any
// other error is written to the log and thrown again, which traps.

import { checked } from './about.js';
import { Batch } from './batch.js';
import { connect, bytes, log } from './host.js';
import { located } from './lines.js';
import { Memory } from './memory.js';
import { begin, emitted, output } from './output.js';
import { Params } from './params.js';
import { Problem } from './problem.js';
import { windowsOf } from './window.js';

const CONTRACT = 2;
const DONE = Promise.resolve();
const KINDS = ['number', 'text'];

/** A new plugin with these parameters. */
export function configured(Plugin, json) {
  const params = new Params(json);
  const plugin = new Plugin();
  plugin.configure(params);
  params.finish();
  return plugin;
}

/** One value per window and output port, row by row; NaN where the plugin gave none. */
export function aggregateAll(plugin, windows, ports) {
  const results = [];
  const out = new Float64Array(ports);
  for (const window of windows) {
    plugin.aggregate(window, out.fill(NaN));
    results.push(...out);
  }
  return Float64Array.from(results);
}

/** The functions of the contract for `Plugin`. */
export function serve(Plugin, abi) {
  const about = checked(Plugin);
  const kinds = about.outputs.map(({ kind }) => kind);
  const memory = new Memory(abi);
  const batch = new Batch();
  let plugin = null;

  connect(hostOf(memory, abi));

  /** Runs `call`, which writes the good result; a Problem is written at `at` behind the tag. */
  function guarded(result, at, call) {
    try {
      call();
    } catch (error) {
      if (!(error instanceof Problem)) {
        // Of the stack only what lies above the SDK.
        log.error(`${error}\n${located(String(error?.stack).split('serve/')[0])}`.trim());
        throw error;
      }
      memory.words(result, [1]);
      memory.words(result + at, [error.code, ...memory.text(error.message)]);
    }
    return DONE;
  }

  function writeEmitted(result) {
    const { t0, heads, dt, values, qualities, texts } = emitted();
    const words = [...memory.list(new Uint32Array(heads)), ...memory.list(dt), ...memory.list(values)];
    words.push(...memory.list(qualities), ...memory.records(texts.map((text) => memory.text(text))));
    words[1] = heads.length / 3;
    memory.words(result, [0]);
    memory.setInt64(result + 8, t0);
    memory.words(result + 16, words);
  }

  function describe(result) {
    const ports = (list) => memory.records(list.map(({ name, kind }) => [...memory.text(name), KINDS.indexOf(kind)]));
    const texts = [...memory.text(about.name), ...memory.text(about.version)];
    memory.words(result, [...texts, ...ports(about.inputs), ...ports(about.outputs)]);
    return DONE;
  }

  function configure(pointer, length, result) {
    const json = memory.takeText(pointer, length);
    return guarded(result, 4, () => {
      plugin = configured(Plugin, json);
      memory.words(result, [0]);
    });
  }

  function process(t0, runs, runCount, dt, dtCount, values, valueCount, codes, codeCount, texts, textCount, result) {
    return guarded(result, 8, () => {
      const strings = memory.takeTexts(texts, textCount);
      try {
        batch.fill(
          BigInt.asIntN(64, t0),
          memory.view(Uint32Array, runs, runCount * 3),
          memory.view(BigInt64Array, dt, dtCount),
          memory.view(Float64Array, values, valueCount),
          memory.view(Uint32Array, codes, codeCount),
          strings,
        );
      } finally {
        memory.free(runs, runCount * 12, 4);
        memory.free(dt, dtCount * 8, 8);
        memory.free(values, valueCount * 8, 8);
        memory.free(codes, codeCount * 4, 4);
      }
      begin(kinds);
      plugin.process(batch, output);
      writeEmitted(result);
    });
  }

  function advance(watermark, result) {
    return guarded(result, 8, () => {
      begin(kinds);
      plugin.advance(BigInt.asIntN(64, watermark), output);
      writeEmitted(result);
    });
  }

  function aggregate(windows, windowCount, dt, dtCount, values, valueCount, codes, codeCount, texts, textCount, result) {
    const heads = new DataView(memory.takeNumbers(BigInt64Array, windows, windowCount * 3).buffer);
    const columns = [
      memory.takeNumbers(BigInt64Array, dt, dtCount),
      memory.takeNumbers(Float64Array, values, valueCount),
      memory.takeNumbers(Uint32Array, codes, codeCount),
      memory.takeTexts(texts, textCount),
    ];
    return guarded(result, 4, () => {
      const results = aggregateAll(plugin, windowsOf(heads, ...columns), kinds.length);
      memory.words(result, [0, ...memory.list(results)]);
    });
  }

  function save(groups, groupCount, result) {
    const states = Array.from(memory.takeNumbers(Uint32Array, groups, groupCount), (group) => plugin.save(group));
    memory.words(result, memory.records(states.map((state) => memory.list(bytes(state ?? '')))));
    return DONE;
  }

  function load(groups, groupCount, states, stateCount, result) {
    const numbers = memory.takeNumbers(Uint32Array, groups, groupCount);
    const parts = memory.takeLists(states, stateCount, (at, length) => memory.takeNumbers(Uint8Array, at, length));
    return guarded(result, 4, () => {
      if (parts.length !== numbers.length) throw Problem.contract('groups and states differ in length');
      numbers.forEach((group, i) => parts[i].length > 0 && plugin.load(group, parts[i]));
      memory.words(result, [0]);
    });
  }

  const contract = () => Promise.resolve(CONTRACT);
  return { contract, describe, configure, process, advance, aggregate, save, load };
}

/** The imports of the contract behind `log` and `kv`. The engine frees what is allocated for their arguments after the call. */
function hostOf(memory, abi) {
  return {
    log: (level, line) => abi.log(level, ...memory.text(line)),
    set: (group, key, value) => abi.set(group, ...memory.list(key), ...memory.list(value)),
    remove: (group, key) => abi.remove(group, ...memory.list(key)),
    get(group, key) {
      const answer = abi.get(group, ...memory.list(key));
      const [some, pointer, length] = memory.takeNumbers(Uint32Array, answer, 3);
      return (some & 255) === 1 ? memory.takeNumbers(Uint8Array, pointer, length) : undefined;
    },
  };
}
