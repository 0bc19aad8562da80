// Closed windows, as columns.
//
// Invariants: as for Batch; the rows of a window are sorted by time.

package tidemill

import "iter"

// WindowHead says that the next Rows rows of the columns belong to the window [Start, End). 24 bytes, as in the contract.
type WindowHead struct {
	Group uint32
	Rows  uint32
	Start Time
	End   Time
}

// Windows are many windows as columns. Plugins see one at a time.
type Windows struct {
	Heads []WindowHead
	// Dt are nanoseconds after the start of the row's own window.
	Dt        []int64
	Values    []float64
	Qualities []uint32
	Texts     []string
	current   Window // here, so that no window has to be allocated
}

// Window is one closed window of one group: source times in [Start, End), sorted by time. A series has a time only once; where a
// group has several series, two of them may share a time.
type Window struct {
	Group uint32
	Start Time
	End   Time
	// Dt are nanoseconds after Start.
	Dt     []int64
	Values []float64
	// Qualities has no elements when every row is good.
	Qualities []uint32
	texts     []string
}

// WindowRow is one row of a window.
type WindowRow struct {
	Time    Time
	Value   float64
	Quality Quality
}

// Len is how many rows there are.
func (w *Window) Len() int { return len(w.Values) }

// Rows are the rows, by time.
func (w *Window) Rows() iter.Seq[WindowRow] {
	return func(yield func(WindowRow) bool) {
		for i, value := range w.Values {
			if !yield(WindowRow{Time(int64(w.Start) + w.Dt[i]), value, w.Quality(i)}) {
				return
			}
		}
	}
}

// Quality is the quality of row i.
func (w *Window) Quality(i int) Quality { return qualityAt(w.Qualities, i) }

// IsAllGood tells that every row is good without details: the common case, worth a fast path.
func (w *Window) IsAllGood() bool { return len(w.Qualities) == 0 }

// Text is what row i says, if the input is a text port. On a number port it panics.
func (w *Window) Text(i int) string { return textAt(w.texts, w.Values[i]) }

// Check refuses columns whose lengths do not fit each other.
func (w *Windows) Check() error {
	rows := 0
	for _, head := range w.Heads {
		rows += int(head.Rows)
	}
	return checkColumns(rows, w.Dt, w.Values, w.Qualities)
}

// Aggregate calls the aggregation for every window and appends its values to out, window by window. The aggregation must not keep the
// window that it is handed.
func (w *Windows) Aggregate(aggregation Aggregation, ports int, out []float64) ([]float64, error) {
	at := 0
	for _, head := range w.Heads {
		end := at + int(head.Rows)
		w.current = Window{head.Group, head.Start, head.End, w.Dt[at:end], w.Values[at:end], nil, w.Texts}
		if len(w.Qualities) > 0 {
			w.current.Qualities = w.Qualities[at:end]
		}
		first := len(out)
		for range ports {
			out = append(out, nan)
		}
		if err := aggregation.Aggregate(&w.current, out[first:]); err != nil {
			return nil, err
		}
		at = end
	}
	return out, nil
}
