// Why a call could not do what it was asked for.

const PARAMETER = 1;
const CONTRACT = 2;
const OWN = 100;

/** Thrown by a plugin. Any other error counts as a failure of the plugin, like a trap. */
export class Problem extends Error {
  constructor(text, code = OWN) {
    super(text);
    this.name = 'Problem';
    this.code = code;
  }

  /** Parameter `name` is wrong because of `reason`. */
  static parameter(name, reason) {
    return new Problem(`parameter \`${name}\` ${reason}`, PARAMETER);
  }

  /** The parameters as a whole are wrong. */
  static parameters(reason) {
    return new Problem(`the parameters ${reason}`, PARAMETER);
  }

  /** The host did what the contract forbids. */
  static contract(reason) {
    return new Problem(`the host broke the plugin contract: ${reason}`, CONTRACT);
  }
}
