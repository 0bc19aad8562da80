// Source time: nanoseconds since the Unix epoch, UTC, as i64. The only time a plugin knows.
//
// Invariant: sums and differences stop at the ends of the range instead of wrapping around.

/** Source time in nanoseconds since the Unix epoch, UTC. */
export type Time = i64;

/** A second in nanoseconds. */
export const SECOND: i64 = 1_000_000_000;

/** The time that many nanoseconds later, or earlier when they are negative. */
export function plus(time: Time, nanos: i64): Time {
  const sum = time + nanos;
  if (sum < time != nanos < 0) return nanos > 0 ? i64.MAX_VALUE : i64.MIN_VALUE;
  return sum;
}

/** How many nanoseconds `time` is after `earlier`. */
export function since(time: Time, earlier: Time): i64 {
  const difference = time - earlier;
  if (difference < 0 != time < earlier) return time > earlier ? i64.MAX_VALUE : i64.MIN_VALUE;
  return difference;
}

/** Seconds as whole nanoseconds, cut off towards 0. What does not fit stops at the ends of the range; NaN is 0. */
export function nanos(seconds: f64): i64 {
  const nanos = seconds * 1e9;
  if (isNaN(nanos)) return 0;
  if (nanos >= 9223372036854775808.0) return i64.MAX_VALUE;
  if (nanos <= -9223372036854775808.0) return i64.MIN_VALUE;
  return <i64>nanos;
}
