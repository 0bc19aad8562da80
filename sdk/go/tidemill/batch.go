// Rows of many groups and ports, as columns.
//
// Invariants: the rows of the runs add up to the length of the columns; Qualities is empty (all good) or as long as the others; rows of
// a run are ordered by time.

package tidemill

import "iter"

// RunHead says that the next Rows rows of the columns belong to a port of a group. 12 bytes, as in the contract.
type RunHead struct {
	Group uint32
	Port  uint32
	Rows  uint32
}

// Batch holds rows as columns. The columns are the memory that the host has written to; they are valid until the call returns.
type Batch struct {
	// T0 is what Dt counts from.
	T0 Time
	// Heads cover the columns from the front without holes.
	Heads []RunHead
	// Dt are nanoseconds after T0.
	Dt     []int64
	Values []float64
	// Qualities has no elements when every row is good.
	Qualities []uint32
	// Texts are what the values of text ports number. Texts may be kept after the call.
	Texts []string
}

// Row is one row.
type Row struct {
	Group   uint32
	Port    uint32
	Time    Time
	Value   float64
	Quality Quality
}

// Run is consecutive rows of one port of one group: a piece of the columns.
type Run struct {
	Group     uint32
	Port      uint32
	T0        Time
	Dt        []int64
	Values    []float64
	Qualities []uint32
}

// Len is how many rows there are.
func (b *Batch) Len() int { return len(b.Values) }

// Rows are the rows, run by run.
func (b *Batch) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		at := 0
		for _, head := range b.Heads {
			for range head.Rows {
				row := Row{head.Group, head.Port, Time(int64(b.T0) + b.Dt[at]), b.Values[at], qualityAt(b.Qualities, at)}
				if !yield(row) {
					return
				}
				at++
			}
		}
	}
}

// Runs are the runs with their columns: the fast way, for calculations that work on slices.
func (b *Batch) Runs() iter.Seq[Run] {
	return func(yield func(Run) bool) {
		at := 0
		for _, head := range b.Heads {
			end := at + int(head.Rows)
			run := Run{Group: head.Group, Port: head.Port, T0: b.T0, Dt: b.Dt[at:end], Values: b.Values[at:end]}
			if len(b.Qualities) > 0 {
				run.Qualities = b.Qualities[at:end]
			}
			if !yield(run) {
				return
			}
			at = end
		}
	}
}

// Text is what a row of a text port says. It may be kept after the call. A row of another port has none: that panics.
func (b *Batch) Text(row Row) string { return textAt(b.Texts, row.Value) }

// Check refuses columns whose lengths do not fit each other.
func (b *Batch) Check() error {
	rows := 0
	for _, head := range b.Heads {
		rows += int(head.Rows)
	}
	return checkColumns(rows, b.Dt, b.Values, b.Qualities)
}

// Time is the source time of row i.
func (r *Run) Time(i int) Time { return Time(int64(r.T0) + r.Dt[i]) }

// Quality is the quality of row i.
func (r *Run) Quality(i int) Quality { return qualityAt(r.Qualities, i) }

// IsAllGood tells that every row is good without details: the common case, worth a fast path.
func (r *Run) IsAllGood() bool { return len(r.Qualities) == 0 }

func checkColumns(rows int, dt []int64, values []float64, qualities []uint32) error {
	if rows != len(dt) || rows != len(values) {
		return BrokenContract("runs or windows, dt and values differ in length")
	}
	if len(qualities) != 0 && len(qualities) != rows {
		return BrokenContract("qualities and values differ in length")
	}
	return nil
}

func qualityAt(qualities []uint32, i int) Quality {
	if len(qualities) == 0 {
		return Good
	}
	return Quality(qualities[i])
}

func textAt(texts []string, value float64) string {
	if !(value >= 0 && value < float64(len(texts))) {
		panic("tidemill: a row of a number port, or one that the host made wrong, was asked for its text")
	}
	return texts[int(value)]
}
