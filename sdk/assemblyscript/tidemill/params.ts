// The parameters of an operator.
//
// Invariants: every parameter is either taken by the plugin or refused by name, so that a typing error is never silent; the first
// problem is the one that is reported.

import { Entry, Reader, Type } from "./json";
import { CODE_PARAMETER, Problem } from "./problem";

/**
 * Parameters to be taken by name and type, each at most once. One that is missing or of the wrong type makes the configuration fail with
 * a text that names it, so there is nothing to check after each call: the values then mean nothing.
 */
export class Params {
  /** The first problem, if there is one. */
  problem: Problem | null = null;
  private entries: Entry[];
  private asked: string[] = [];

  /** Reads a JSON object. */
  constructor(json: string) {
    const reader = new Reader(json);
    this.entries = reader.object();
    if (reader.error.length > 0) this.fail("the parameters are not a JSON object of plain values: " + reader.error);
  }

  /** Takes the number `name`. */
  number(name: string): f64 {
    const entry = this.take(name, Type.NUMBER, true);
    return entry === null ? 0 : entry.number;
  }

  /** Takes the number `name`, or `fallback` if it is missing. */
  numberOr(name: string, fallback: f64): f64 {
    const entry = this.take(name, Type.NUMBER, false);
    return entry === null ? fallback : entry.number;
  }

  /** Takes the number `name`, or `fallback` if it is missing; it must be 0 or more. */
  nonNegativeOr(name: string, fallback: f64): f64 {
    const number = this.numberOr(name, fallback);
    if (number < 0) this.refuse(name, "is " + plain(number) + ", but must be 0 or more");
    return number;
  }

  /** Takes the string `name`. */
  text(name: string): string {
    const entry = this.take(name, Type.TEXT, true);
    return entry === null ? "" : entry.text;
  }

  /** Takes the string `name`, or `fallback` if it is missing. */
  textOr(name: string, fallback: string): string {
    const entry = this.take(name, Type.TEXT, false);
    return entry === null ? fallback : entry.text;
  }

  /** Takes the boolean `name`, or `fallback` if it is missing. */
  flagOr(name: string, fallback: bool): bool {
    const entry = this.take(name, Type.FLAG, false);
    return entry === null ? fallback : entry.flag;
  }

  /** Refuses the parameter `name` because of `reason`, unless there was a problem before. */
  refuse(name: string, reason: string): void {
    this.fail("parameter `" + name + "` " + reason);
  }

  /** Refuses what nobody has taken. The SDK calls it after `configure`. */
  finish(): void {
    if (this.entries.length == 0) return;
    const known = this.asked.length == 0 ? "none" : "`" + this.asked.join("`, `") + "`";
    this.refuse(this.entries[0].key, "is unknown; this plugin takes " + known);
  }

  private fail(text: string): void {
    if (this.problem === null) this.problem = new Problem(CODE_PARAMETER, text);
  }

  /** The entry if it is there and of the type. */
  private take(name: string, type: Type, required: bool): Entry | null {
    this.asked.push(name);
    for (let i = 0; i < this.entries.length; i++) {
      const entry = this.entries[i];
      if (entry.key != name) continue;
      this.entries.splice(i, 1);
      if (entry.type == type) return entry;
      this.refuse(name, "is " + described(entry) + ", but must be " + wanted(type));
      return null;
    }
    if (required) this.refuse(name, "is missing; give " + wanted(type));
    return null;
  }
}

function wanted(type: Type): string {
  return type == Type.NUMBER ? "a number" : type == Type.TEXT ? "a string" : "a boolean";
}

function described(entry: Entry): string {
  if (entry.type == Type.NUMBER) return "the number " + plain(entry.number);
  if (entry.type == Type.TEXT) return 'the string "' + entry.text + '"';
  return "the boolean " + (entry.flag ? "true" : "false");
}

/** A number as people write it: whole numbers without `.0`. */
function plain(number: f64): string {
  const text = number.toString();
  return text.endsWith(".0") ? text.substring(0, text.length - 2) : text;
}
