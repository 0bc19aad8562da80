// Package tidemilltest drives a plugin from a native test: rows in, rows out, no server and no WebAssembly.
package tidemilltest

import (
	"fmt"

	"tidemill"
)

// Row is a row of any port. Of Value and Text, the port's kind says which one counts.
type Row struct {
	Group   uint32
	Port    uint32
	Time    tidemill.Time
	Value   float64
	Text    string
	Quality tidemill.Quality
}

// Calculation is a configured calculation under test.
type Calculation struct {
	about  tidemill.About
	plugin tidemill.Calculation
	output *tidemill.Output
}

// Configure makes a calculation ready, with parameters as a JSON object like those of a deployment.
func Configure(about tidemill.About, plugin tidemill.Calculation, params string) (*Calculation, error) {
	if err := tidemill.Configured(params, plugin.Configure); err != nil {
		return nil, err
	}
	return &Calculation{about, plugin, tidemill.NewOutput(about.Outputs)}, nil
}

// Process passes rows in one batch and returns what was emitted, in the order in which it was emitted.
func (c *Calculation) Process(rows ...Row) ([]Row, error) {
	batch, err := Batch(c.about, rows...)
	if err != nil {
		return nil, err
	}
	return c.ProcessBatch(batch)
}

// ProcessBatch passes a batch as it is.
func (c *Calculation) ProcessBatch(batch *tidemill.Batch) ([]Row, error) {
	if err := batch.Check(); err != nil {
		return nil, err
	}
	c.output.Reset()
	if err := c.plugin.Process(batch, c.output); err != nil {
		return nil, err
	}
	return c.emitted(), nil
}

// Advance moves the watermark and returns what was emitted.
func (c *Calculation) Advance(watermark tidemill.Time) ([]Row, error) {
	c.output.Reset()
	if err := c.plugin.Advance(watermark, c.output); err != nil {
		return nil, err
	}
	return c.emitted(), nil
}

// Batch are rows as a batch for the inputs of a plugin, in the runs they come in.
func Batch(about tidemill.About, rows ...Row) (*tidemill.Batch, error) {
	input := tidemill.NewOutput(about.Inputs)
	for _, row := range rows {
		if int(row.Port) >= len(about.Inputs) {
			return nil, fmt.Errorf("input port %d does not exist: there are %d", row.Port, len(about.Inputs))
		}
		if about.Inputs[row.Port].Kind == tidemill.Text {
			input.EmitText(row.Group, row.Port, row.Time, row.Text, row.Quality)
		} else {
			input.Emit(row.Group, row.Port, row.Time, row.Value, row.Quality)
		}
	}
	return input.Batch(), nil
}

func (c *Calculation) emitted() []Row {
	var rows []Row
	batch := c.output.Batch()
	for row := range batch.Rows() {
		out := Row{Group: row.Group, Port: row.Port, Time: row.Time, Quality: row.Quality}
		if c.about.Outputs[row.Port].Kind == tidemill.Text {
			out.Text = batch.Text(row)
		} else {
			out.Value = row.Value
		}
		rows = append(rows, out)
	}
	return rows
}
