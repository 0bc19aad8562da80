// The exports of the world `aggregation`.
//
// Invariant: everything that a result points to is reachable from the package's variables until the next call.

package aggregation

import (
	"unsafe"

	"tidemill"
	"tidemill/internal/abi"
)

// values is the result `ok(list<f64>)` of aggregate: 16 bytes, align 4.
type values struct {
	failed uint32
	list   abi.List
	_      uint32
}

var (
	windows tidemill.Windows
	texts   []string // those of the last call
	output  []float64
	done    values
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
	return outcome.Result(tidemill.Configured(abi.TextIn(params, length), plugin.Configure))
}

//go:wasmexport aggregate
func aggregate(heads, headCount, dt, dtCount, rows, rowCount, qualities, qualityCount, textList, textCount uint32) unsafe.Pointer {
	defer abi.Done()
	texts = abi.TextsIn(textList, textCount, texts)
	windows = tidemill.Windows{
		Heads:     abi.In[tidemill.WindowHead](heads, headCount),
		Dt:        abi.In[int64](dt, dtCount),
		Values:    abi.In[float64](rows, rowCount),
		Qualities: abi.In[uint32](qualities, qualityCount),
		Texts:     texts,
	}
	if cap(output) > tidemill.RowsKeptMax {
		output = nil
	}
	err := windows.Check()
	if err == nil {
		output, err = windows.Aggregate(plugin, len(about.Outputs), output[:0])
	}
	if err != nil {
		return outcome.Result(err)
	}
	done = values{list: abi.Out(output)}
	return unsafe.Pointer(&done)
}
