// Quality of a sample: the raw OPC UA StatusCode (OPC UA Part 4, 7.39), as the host stores it.

package tidemill

// Quality is a raw OPC UA StatusCode; 0 is good. The two top bits are the severity.
type Quality uint32

const (
	// Good is good, without more to say.
	Good Quality = 0
	// Uncertain is uncertain, without more to say.
	Uncertain Quality = 0x4000_0000
	// UncertainLastUsable: the source is silent and its last value is used.
	UncertainLastUsable Quality = 0x4090_0000
	// UncertainOutOfRange: the value is outside of what is physically plausible.
	UncertainOutOfRange Quality = 0x4094_0000
	// Bad is bad, without more to say.
	Bad Quality = 0x8000_0000
)

// IsGood tells that the severity bits are 00.
func (q Quality) IsGood() bool { return q>>30 == 0 }

// IsUncertain tells that the severity bits are 01.
func (q Quality) IsUncertain() bool { return q>>30 == 1 }

// IsBad tells that the severity bits are 10 or 11.
func (q Quality) IsBad() bool { return q>>31 == 1 }

// Worst is the one with the worse severity; q when they are equally severe.
func (q Quality) Worst(other Quality) Quality {
	if min(other>>30, 2) > min(q>>30, 2) {
		return other
	}
	return q
}
