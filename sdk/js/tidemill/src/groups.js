// State per group.

/** One state per group in a dense array: the host numbers groups from 0 without holes. */
export class Groups {
  /** `create` makes the state of a new group. */
  constructor(create) {
    this.create = create;
    this.states = [];
  }

  /** The state of `group`. */
  of(group) {
    const states = this.states;
    while (states.length <= group) states.push(this.create(states.length));
    return states[group];
  }

  get length() {
    return this.states.length;
  }

  /** [group, state] of every group, in order of their numbers. */
  entries() {
    return this.states.entries();
  }

  [Symbol.iterator]() {
    return this.states.entries();
  }
}
