// State per group.

/**
 * One T per group. The host numbers groups from 0 without holes, so this is the fastest map there is, and its order is always the same.
 * T needs a constructor without arguments: it makes the state of a new group.
 */
export class Groups<T> {
  private states: T[] = [];

  /** The state of a group. */
  of(group: u32): T {
    while (<u32>this.states.length <= group) this.states.push(instantiate<T>());
    return unchecked(this.states[group]);
  }

  /** How many groups there are: one more than the highest number that was asked for. */
  get length(): u32 {
    return this.states.length;
  }
}
