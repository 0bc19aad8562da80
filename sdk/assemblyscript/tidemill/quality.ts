// Quality of a sample: the raw OPC UA StatusCode (OPC UA Part 4, 7.39), as the host stores it. The two top bits are the severity.

/** Good, without more to say. */
export const GOOD: u32 = 0;
/** Uncertain, without more to say. */
export const UNCERTAIN: u32 = 0x4000_0000;
/** Uncertain: the source is silent and its last value is used. */
export const UNCERTAIN_LAST_USABLE: u32 = 0x4090_0000;
/** Uncertain: the value is outside of what is physically plausible. */
export const UNCERTAIN_OUT_OF_RANGE: u32 = 0x4094_0000;
/** Bad, without more to say. */
export const BAD: u32 = 0x8000_0000;

/** Severity bits are 00. */
export function isGood(quality: u32): bool {
  return quality >> 30 == 0;
}

/** Severity bits are 01. */
export function isUncertain(quality: u32): bool {
  return quality >> 30 == 1;
}

/** Severity bits are 10 or 11. */
export function isBad(quality: u32): bool {
  return quality >> 31 == 1;
}

/** The one with the worse severity; `a` when they are equally severe. */
export function worst(a: u32, b: u32): u32 {
  return min(b >> 30, 2) > min(a >> 30, 2) ? b : a;
}
