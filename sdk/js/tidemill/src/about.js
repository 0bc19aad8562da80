// What an author extends, and the check of what a plugin says about itself.
//
// Invariant: a class that passed `checked` has a name, a version and ports that the host accepts.

/** Rows of this port carry numbers. */
export function number(name) {
  return { name, kind: 'number' };
}

/** Rows of this port carry texts. */
export function text(name) {
  return { name, kind: 'text' };
}

export class Calculation {
  configure(params) {}

  advance(watermark, output) {}
}

export class Aggregation {
  configure(params) {}
}

/** Which world of the contract a class was written for. */
export function worldOf(Plugin) {
  if (Plugin?.prototype instanceof Aggregation) return 'aggregation';
  if (!(Plugin?.prototype instanceof Calculation)) {
    throw new TypeError('the default export must be a class that extends Calculation or Aggregation');
  }
  const { save, load } = Plugin.prototype;
  if (Boolean(save) !== Boolean(load)) throw new TypeError('a plugin has both save and load, or none of them');
  return save ? 'durable-calculation' : 'calculation';
}

/** `Plugin.about` with all ports as { name, kind }, or an error that says what is wrong with it. */
export function checked(Plugin) {
  const world = worldOf(Plugin);
  const { name, version, inputs, outputs } = Plugin.about ?? {};
  if (typeof name !== 'string' || !/^[a-z0-9-]+$/.test(name)) {
    throw new TypeError('about.name must consist of lower-case letters, digits and hyphens');
  }
  if (typeof version !== 'string') throw new TypeError('about.version must be a string');
  const about = { name, version, inputs: ports('inputs', inputs), outputs: ports('outputs', outputs) };
  requireMethods(Plugin, world === 'aggregation' ? 'aggregate' : 'process');
  if (world === 'aggregation') {
    if (about.inputs.length !== 1) throw new TypeError('an aggregation has exactly one input');
    if (about.outputs.some(({ kind }) => kind !== 'number')) throw new TypeError('outputs of an aggregation are numbers');
  }
  return about;
}

function requireMethods(Plugin, required) {
  if (typeof Plugin.prototype[required] !== 'function') throw new TypeError(`the plugin has no method ${required}`);
  for (const method of ['configure', 'process', 'advance', 'aggregate', 'save', 'load']) {
    if (Plugin.prototype[method]?.constructor.name === 'AsyncFunction') {
      throw new TypeError(`${method} must not be async: its results are taken when it returns`);
    }
  }
}

function ports(field, given) {
  if (!Array.isArray(given) || given.length === 0) throw new TypeError(`about.${field} must name at least one port`);
  const list = given.map((port) => (typeof port === 'string' ? number(port) : port));
  const names = new Set();
  for (const { name, kind } of list) {
    if (!/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new TypeError(`about.${field}: port name "${name}" may have letters, digits, - and _ only`);
    }
    if (kind !== 'number' && kind !== 'text') throw new TypeError(`about.${field}: "${name}" is neither number nor text`);
    if (names.has(name)) throw new TypeError(`about.${field} names "${name}" twice`);
    names.add(name);
  }
  return list;
}
