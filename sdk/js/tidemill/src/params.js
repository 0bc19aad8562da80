// The parameters of an operator.
//
// Invariant: every parameter is either taken by the plugin or refused by name, so that a typing error is never silent.

import { Problem } from './problem.js';

export class Params {
  /** Reads a JSON object; an empty text is an empty object. */
  constructor(json) {
    this.entries = new Map(Object.entries(parse(json)));
    this.asked = [];
  }

  /** Takes the number `name`; without a default it must be there. */
  number(name, fallback) {
    return this.take(name, 'number', 'a number', fallback);
  }

  /** Takes the number `name`, which must be 0 or more. */
  nonNegative(name, fallback) {
    const value = this.number(name, fallback);
    if (value < 0) throw Problem.parameter(name, `is ${value}, but must be 0 or more`);
    return value;
  }

  /** Takes the string `name`. */
  text(name, fallback) {
    return this.take(name, 'string', 'a string', fallback);
  }

  /** Takes the boolean `name`. */
  flag(name, fallback) {
    return this.take(name, 'boolean', 'a boolean', fallback);
  }

  /** Refuses what nobody has taken. */
  finish() {
    const [unknown] = this.entries.keys();
    if (unknown === undefined) return;
    const known = this.asked.length === 0 ? 'none' : `\`${this.asked.join('`, `')}\``;
    throw Problem.parameter(unknown, `is unknown; this plugin takes ${known}`);
  }

  take(name, type, wanted, fallback) {
    this.asked.push(name);
    if (!this.entries.has(name)) {
      if (fallback === undefined) throw Problem.parameter(name, `is missing; give ${wanted}`);
      return fallback;
    }
    const value = this.entries.get(name);
    this.entries.delete(name);
    if (typeof value !== type) throw Problem.parameter(name, `is ${shown(value)}, but must be ${wanted}`);
    return value;
  }
}

function parse(json) {
  if (json.trim() === '') return {};
  let value;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw Problem.parameters(`are not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw Problem.parameters(`are ${shown(value)}, but must be a JSON object`);
  }
  return value;
}

function shown(value) {
  switch (typeof value) {
    case 'number':
      return `the number ${value}`;
    case 'string':
      return `the string "${value}"`;
    case 'boolean':
      return `the boolean ${value}`;
    default:
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
  }
}
