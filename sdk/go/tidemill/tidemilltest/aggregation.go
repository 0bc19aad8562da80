// Drives an aggregation.

package tidemilltest

import (
	"fmt"

	"tidemill"
)

// Aggregate configures an aggregation, passes one window, [start, end), and returns one value per output port. Group and port of the rows
// are not looked at; they must be ordered by time and lie in the window.
func Aggregate(
	about tidemill.About, plugin tidemill.Aggregation, params string, start, end tidemill.Time, rows ...Row,
) ([]float64, error) {
	if err := tidemill.Configured(params, plugin.Configure); err != nil {
		return nil, err
	}
	ordered := make([]Row, 0, len(rows))
	for i, row := range rows {
		if row.Time < start || row.Time >= end || i > 0 && row.Time < rows[i-1].Time {
			return nil, fmt.Errorf("row %d is not in the window or not in order of time: a host never does that", i)
		}
		row.Group, row.Port = 0, 0
		ordered = append(ordered, row)
	}
	batch, err := Batch(about, ordered...)
	if err != nil {
		return nil, err
	}
	shift := batch.T0.Since(start)
	for i := range batch.Dt {
		batch.Dt[i] += shift
	}
	windows := tidemill.Windows{
		Heads:     []tidemill.WindowHead{{Group: 0, Rows: uint32(len(rows)), Start: start, End: end}},
		Dt:        batch.Dt,
		Values:    batch.Values,
		Qualities: batch.Qualities,
		Texts:     batch.Texts,
	}
	return windows.Aggregate(plugin, len(about.Outputs), nil)
}
