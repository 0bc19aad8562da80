// Package tidemill is what a plugin in Go is written with: rows in, rows out, parameters, and nothing that could make a result
// depend on anything but the calls a plugin receives.
//
// A plugin implements [Calculation] or [Aggregation] and hands itself to calculation.Export, durable.Export or aggregation.Export
// from an init function of its main package. The packages below this one hold the exports of each world, kv the state that the host
// keeps, and tidemilltest drives a plugin from a native test.
//
// Invariant: this package holds no state of its own, so a test may drive many plugins beside each other.
package tidemill

// Kind is what the rows of a port carry. The numbers are those of the contract.
type Kind uint8

const (
	// Number ports carry values.
	Number Kind = 0
	// Text ports carry texts and named states.
	Text Kind = 1
)

// Port is an input or an output of a plugin.
type Port struct {
	// Name has letters, digits, `-` and `_`, and is unique among the inputs, and among the outputs.
	Name string
	Kind Kind
}

// About says what a plugin is. Ports are numbered by their place in Inputs and Outputs.
type About struct {
	// Name has lower-case letters, digits and hyphens.
	Name string
	// Version is free text, by custom a semantic version.
	Version string
	// Inputs are at least one, and exactly one for an aggregation.
	Inputs []Port
	// Outputs are at least one. An aggregation's are all numbers.
	Outputs []Port
}

// Calculation takes samples and gives samples. Its state is its memory, which the host saves and restores between calls.
//
// The host may restore an older image and repeat calls, so results must depend on the parameters and on the calls alone.
// An error of Process or Advance fails the call: nothing of it is emitted, and the text stands in the operator's status.
type Calculation interface {
	// Configure takes the parameters; it is called once, before anything else. What nobody took is refused afterwards.
	Configure(params *Params) error
	// Process takes new rows in journal order: they may be older than rows of earlier calls. The batch is valid until it returns.
	Process(input *Batch, output *Output) error
	// Advance tells that rows with a source time below the watermark are not expected any more. It is the only timer.
	Advance(watermark Time, output *Output) error
}

// Durable is a calculation whose state can move into another version of it.
type Durable interface {
	Calculation
	// Save returns the state of a group as bytes, none if there is nothing to keep.
	Save(group uint32) []byte
	// Load takes over bytes that Save of this or of an older version returned, after Configure and before the first rows.
	Load(group uint32, state []byte) error
}

// Aggregation takes closed windows and gives values. The host calls again for a window that a late sample changed, so nothing may be
// carried from one window to the next.
type Aggregation interface {
	// Configure is as that of a Calculation.
	Configure(params *Params) error
	// Aggregate fills out, one place per output port. The places hold NaN, which means: no value. The window is valid until it returns.
	Aggregate(window *Window, out []float64) error
}

// NoParameters, embedded in a plugin, makes it one that takes no parameters.
type NoParameters struct{}

// Configure takes nothing.
func (NoParameters) Configure(*Params) error { return nil }

// NoTimers, embedded in a calculation, makes it one that does nothing when the watermark grows.
type NoTimers struct{}

// Advance emits nothing.
func (NoTimers) Advance(Time, *Output) error { return nil }

// Configured lets a plugin take parameters from a JSON object and refuses what it left.
func Configured(json string, configure func(*Params) error) error {
	params, err := parseParams(json)
	if err != nil {
		return err
	}
	err = configure(params)
	if params.problem != nil {
		return params.problem
	}
	if err != nil {
		return err
	}
	return params.finish()
}
