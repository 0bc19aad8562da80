// Quality of a sample: the raw OPC UA StatusCode (OPC UA Part 4, 7.39). The two top bits are the severity: 00 good, 01 uncertain,
// 10 and 11 bad. As unsigned numbers the codes are ordered by severity, so `quality >= BAD` is the fast way to ask.

export const GOOD = 0;
export const UNCERTAIN = 0x4000_0000;
export const BAD = 0x8000_0000;

export function isGood(quality) {
  return quality < UNCERTAIN;
}

export function isUncertain(quality) {
  return quality >= UNCERTAIN && quality < BAD;
}

export function isBad(quality) {
  return quality >= BAD;
}

/** The one with the worse severity; `a` when they are equally severe. */
export function worst(a, b) {
  return severity(b) > severity(a) ? b : a;
}

function severity(quality) {
  return Math.min(quality >>> 30, 2);
}
