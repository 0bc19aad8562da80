// The exports of the world `calculation`.
//
// Invariant: everything that a result points to is reachable from the package's variables until the next call.

package calculation

import (
	"unsafe"

	"tidemill"
	"tidemill/internal/abi"
)

// batch is the result `ok(batch)` of process and advance: 56 bytes, align 8.
type batch struct {
	failed                               uint32
	_                                    uint32
	t0                                   int64
	runs, dt, values, qualities, textsOf abi.List
}

// problem is their result `err(problem)`, in the same area.
type problem struct {
	failed uint32
	_      uint32
	code   uint32
	text   abi.List
}

var (
	input   tidemill.Batch
	output  *tidemill.Output
	texts   []string // those of the last batch
	lists   []abi.List
	done    batch
	failed  problem
	reason  string
	outcome abi.Failure
)

//go:wasmexport contract
func contract() uint32 { return abi.Contract }

//go:wasmexport describe
func describe() unsafe.Pointer { return abi.Describe(&about) }

//go:wasmexport cabi_realloc
func realloc(old, oldSize, align, size uint32) uint32 { return abi.Realloc(old, oldSize, align, size) }

//go:wasmexport configure
func configure(params, length uint32) unsafe.Pointer {
	defer abi.Done()
	output = tidemill.NewOutput(about.Outputs)
	return outcome.Result(tidemill.Configured(abi.TextIn(params, length), plugin.Configure))
}

//go:wasmexport process
func process(t0 int64, runs, runCount, dt, dtCount, values, valueCount, qualities, qualityCount, textList, textCount uint32) unsafe.Pointer {
	defer abi.Done()
	output.Reset()
	texts = abi.TextsIn(textList, textCount, texts)
	input = tidemill.Batch{
		T0:        tidemill.Time(t0),
		Heads:     abi.In[tidemill.RunHead](runs, runCount),
		Dt:        abi.In[int64](dt, dtCount),
		Values:    abi.In[float64](values, valueCount),
		Qualities: abi.In[uint32](qualities, qualityCount),
		Texts:     texts,
	}
	err := input.Check()
	if err == nil {
		err = plugin.Process(&input, output)
	}
	return result(err)
}

//go:wasmexport advance
func advance(watermark int64) unsafe.Pointer {
	output.Reset()
	return result(plugin.Advance(tidemill.Time(watermark), output))
}

func result(err error) unsafe.Pointer {
	if err != nil {
		p := tidemill.AsProblem(err)
		reason = p.Text
		failed = problem{failed: 1, code: p.Code, text: abi.TextOut(reason)}
		return unsafe.Pointer(&failed)
	}
	emitted := output.Batch()
	lists = lists[:0]
	for _, text := range emitted.Texts {
		lists = append(lists, abi.TextOut(text))
	}
	done = batch{
		t0:        int64(emitted.T0),
		runs:      abi.Out(emitted.Heads),
		dt:        abi.Out(emitted.Dt),
		values:    abi.Out(emitted.Values),
		qualities: abi.Out(emitted.Qualities),
		textsOf:   abi.Out(lists),
	}
	return unsafe.Pointer(&done)
}
