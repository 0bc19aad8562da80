// State by key that the host keeps for a calculation, with its checkpoints: for state too large for memory, and for state that must
// outlive a new version of the plugin. Keys belong to a group and go with it wherever the group goes.
//
// A module that does not use this file does not import the host's functions either.

// @ts-ignore: decorator
@external("tidemill:plugin/kv@0.2.0", "get")
declare function hostGet(group: u32, key: usize, keyLength: usize, result: usize): void;

// @ts-ignore: decorator
@external("tidemill:plugin/kv@0.2.0", "set")
declare function hostSet(group: u32, key: usize, keyLength: usize, value: usize, valueLength: usize): void;

// @ts-ignore: decorator
@external("tidemill:plugin/kv@0.2.0", "remove")
declare function hostRemove(group: u32, key: usize, keyLength: usize): void;

export namespace kv {
  /** The value of a key, if it has one. It belongs to the caller. */
  export function get(group: u32, key: Uint8Array): Uint8Array | null {
    const answer = memory.data(12, 4); // u8 found, then pointer and length
    hostGet(group, key.dataStart, key.byteLength, answer);
    if (load<u8>(answer) == 0) return null;
    const value = new Uint8Array(load<u32>(answer, 8));
    memory.copy(value.dataStart, load<u32>(answer, 4), value.byteLength);
    return value;
  }

  /** Sets the value of a key. It counts towards the operator's limit on state. */
  export function set(group: u32, key: Uint8Array, value: Uint8Array): void {
    hostSet(group, key.dataStart, key.byteLength, value.dataStart, value.byteLength);
  }

  /** Forgets a key. */
  export function remove(group: u32, key: Uint8Array): void {
    hostRemove(group, key.dataStart, key.byteLength);
  }
}
