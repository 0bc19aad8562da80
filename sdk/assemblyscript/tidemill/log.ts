// The operator's log: `tidemill plugin logs`.
//
// Invariant: no variables, because abort.ts may need it before those of any file have a value.

// @ts-ignore: decorator
@external("tidemill:plugin/host@0.2.0", "log")
declare function hostLog(level: u32, text: usize, length: usize): void;

function write(level: u32, text: string): void {
  const line = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  hostLog(level, changetype<usize>(line), line.byteLength);
}

export namespace log {
  /** Someone must act. */
  export function error(text: string): void {
    write(0, text);
  }

  /** Something is wrong and was dealt with. */
  export function warn(text: string): void {
    write(1, text);
  }

  /** Something changed. */
  export function info(text: string): void {
    write(2, text);
  }

  /** What helps to find a mistake. */
  export function debug(text: string): void {
    write(3, text);
  }
}
