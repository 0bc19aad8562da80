// Source time. Sums and differences stop at the ends of the range instead of wrapping around.

package tidemill

import "math"

// Time is source time: nanoseconds since the Unix epoch, UTC. It is the only time a plugin knows.
type Time int64

const (
	// TimeMin is earlier than every sample.
	TimeMin Time = math.MinInt64
	// Second is a second in nanoseconds.
	Second int64 = 1_000_000_000
)

// Seconds is a time that many seconds after the epoch.
func Seconds(seconds int64) Time { return Time(seconds * Second) }

// Plus is the time that many nanoseconds later, or earlier when they are negative.
func (t Time) Plus(nanos int64) Time {
	sum := int64(t) + nanos
	if (sum < int64(t)) != (nanos < 0) {
		return end(nanos > 0)
	}
	return Time(sum)
}

// Since is how many nanoseconds t is after earlier.
func (t Time) Since(earlier Time) int64 {
	difference := int64(t) - int64(earlier)
	if (difference < 0) != (t < earlier) {
		return int64(end(t > earlier))
	}
	return difference
}

// SecondsSince is how many seconds t is after earlier. It is exact for whole nanoseconds up to 104 days.
func (t Time) SecondsSince(earlier Time) float64 { return float64(t.Since(earlier)) / 1e9 }

// Nanos are seconds as whole nanoseconds, cut off towards 0. What does not fit stops at the ends of the range; NaN is 0.
func Nanos(seconds float64) int64 {
	nanos := seconds * 1e9
	switch {
	case nanos >= math.MaxInt64:
		return math.MaxInt64
	case nanos <= math.MinInt64:
		return math.MinInt64
	case nanos != nanos:
		return 0
	}
	return int64(nanos)
}

func end(late bool) Time {
	if late {
		return math.MaxInt64
	}
	return math.MinInt64
}
