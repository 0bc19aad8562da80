// What happens when AssemblyScript throws, an assertion fails or an index is out of range: a line in the operator's log, then a trap.
// The compiler is told with `--use abort=…`; without that it would import `env.abort`, which no host has.

import { log } from "./log";

export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "the plugin failed" : message;
  const where = file === null ? "" : " (" + file + ":" + line.toString() + ":" + column.toString() + ")";
  log.error(what + where);
  unreachable();
}
