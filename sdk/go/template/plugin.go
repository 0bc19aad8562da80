// A low-pass filter for noisy measurements, which also says when one has gone silent.
//
// It is a calculation: rows come in with their group, rows go out. A group is one series, or all series with the same labels, as the
// deployment says. Results depend on the parameters and on the rows alone: there is no clock, and none is missed.
package main

import (
	"tidemill"
	"tidemill/calculation"
)

// Ports are numbered by their place in this description.
var about = tidemill.About{
	Name:    "smooth",
	Version: "1.0.0",
	Inputs:  []tidemill.Port{{Name: "value", Kind: tidemill.Number}},
	Outputs: []tidemill.Port{{Name: "value", Kind: tidemill.Number}, {Name: "state", Kind: tidemill.Text}},
}

const (
	outValue = 0
	outState = 1
)

// Plugin is all there is to remember. It is never written anywhere: the host saves the memory of the plugin, and puts it back after a
// crash together with the place in the journal.
type Plugin struct {
	alpha   float64
	staleNs int64
	series  tidemill.Groups[series]
}

type series struct {
	seen   bool
	level  float64
	newest tidemill.Time
	stale  bool
}

// Configure takes the parameters by name. One that is missing, of the wrong type or unknown is refused without a word here.
func (p *Plugin) Configure(params *tidemill.Params) error {
	p.alpha = params.Number("alpha")
	p.staleNs = tidemill.Nanos(params.NonNegativeOr("stale_s", 0))
	if !(p.alpha > 0 && p.alpha <= 1) {
		return tidemill.WrongParameter("alpha", "must lie above 0 and be at most 1")
	}
	return nil
}

// Process takes new rows. They may be late: what is older than the newest row of its series is skipped, as are bad rows and NaNs.
func (p *Plugin) Process(input *tidemill.Batch, output *tidemill.Output) error {
	for row := range input.Rows() {
		s := p.series.Of(row.Group)
		if row.Quality.IsBad() || row.Value != row.Value || s.seen && row.Time < s.newest {
			continue
		}
		if s.seen {
			// The conversion keeps compilers for some machines from fusing * and + into one step that rounds differently.
			s.level += float64(p.alpha * (row.Value - s.level))
		} else {
			s.level = row.Value
		}
		if !s.seen || s.stale {
			output.EmitText(row.Group, outState, row.Time, "fresh", tidemill.Good)
		}
		output.Emit(row.Group, outValue, row.Time, s.level, row.Quality)
		s.seen, s.stale, s.newest = true, false, row.Time
	}
	return nil
}

// Advance is the only timer: rows older than the watermark are not expected any more. What ran out gets the time at which it ran out,
// so that the result does not depend on when the watermark moved.
func (p *Plugin) Advance(watermark tidemill.Time, output *tidemill.Output) error {
	if p.staleNs == 0 {
		return nil
	}
	for group, s := range p.series.All() {
		if s.seen && !s.stale && watermark.Since(s.newest) >= p.staleNs {
			s.stale = true
			output.EmitText(group, outState, s.newest.Plus(p.staleNs), "stale", tidemill.Good)
		}
	}
	return nil
}

func init() { calculation.Export(about, &Plugin{}) }

// main is never called; Go asks for it.
func main() {}
