// Where a calculation puts its results.
//
// Invariants: rows keep the order in which they were emitted; a run ends where group or port change or time goes back; Qualities stays
// empty while everything is good; Texts are in order of first use.

package tidemill

import (
	"math"
	"strconv"
)

// RowsKeptMax: buffers beyond that many rows (1.5 MB) are given back after the call, because memory is part of every checkpoint.
const RowsKeptMax = 65_536

var nan = math.NaN()

// Output takes rows on their way out. Rows may come in any order; those of one group and port are cheapest in a row and by time.
type Output struct {
	ports   []Port
	batch   Batch
	numbers map[string]int // place of each text; only ever asked for one
}

// NewOutput is an empty output with these ports.
func NewOutput(ports []Port) *Output {
	return &Output{ports: ports, numbers: map[string]int{}}
}

// Emit emits a row on a number port. A port that does not exist or carries texts is a mistake of the plugin: that panics.
func (o *Output) Emit(group, port uint32, time Time, value float64, quality Quality) {
	o.checkPort(port, Number)
	o.push(group, port, time, value, quality)
}

// EmitText emits a row on a text port. A port that does not exist or carries numbers is a mistake of the plugin: that panics.
func (o *Output) EmitText(group, port uint32, time Time, text string, quality Quality) {
	o.checkPort(port, Text)
	o.push(group, port, time, float64(o.number(text)), quality)
}

// EmitRun emits a run of a number port, copying its columns. It must be ordered by time, and its columns must have one length.
func (o *Output) EmitRun(run Run) {
	o.checkPort(run.Port, Number)
	if err := checkColumns(len(run.Values), run.Dt, run.Values, run.Qualities); err != nil {
		panic("tidemill: EmitRun with columns that differ in length")
	}
	if len(run.Values) == 0 {
		return
	}
	b := &o.batch
	if len(b.Heads) == 0 {
		b.T0 = run.T0
	}
	b.Heads = append(b.Heads, RunHead{run.Group, run.Port, uint32(len(run.Values))})
	shift := int64(run.T0) - int64(b.T0)
	last := run.Dt[0]
	for _, dt := range run.Dt {
		if dt < last {
			panic("tidemill: EmitRun with a time that goes back")
		}
		last = dt
		b.Dt = append(b.Dt, dt+shift)
	}
	if len(run.Qualities) > 0 || len(b.Qualities) > 0 {
		b.fillQualities()
		b.Qualities = append(b.Qualities, run.Qualities...)
	}
	b.Values = append(b.Values, run.Values...)
	if len(b.Qualities) > 0 {
		b.fillQualities()
	}
}

// Len is how many rows were emitted in this call.
func (o *Output) Len() int { return len(o.batch.Values) }

// Batch is what was emitted in this call. It is valid until the next one.
func (o *Output) Batch() *Batch { return &o.batch }

// Reset forgets the rows. It is called before every call.
func (o *Output) Reset() {
	if cap(o.batch.Values) > RowsKeptMax {
		*o = *NewOutput(o.ports)
	}
	b := &o.batch
	if len(b.Texts) > 0 {
		clear(b.Texts)
		clear(o.numbers)
	}
	*b = Batch{0, b.Heads[:0], b.Dt[:0], b.Values[:0], b.Qualities[:0], b.Texts[:0]}
}

func (o *Output) push(group, port uint32, time Time, value float64, quality Quality) {
	b := &o.batch
	dt := int64(time) - int64(b.T0)
	if n := len(b.Heads); n > 0 && b.Heads[n-1].Group == group && b.Heads[n-1].Port == port && b.Dt[len(b.Dt)-1] <= dt {
		b.Heads[n-1].Rows++
	} else {
		if n == 0 {
			b.T0, dt = time, 0
		}
		b.Heads = append(b.Heads, RunHead{group, port, 1})
	}
	if quality != Good || len(b.Qualities) > 0 {
		b.fillQualities()
		b.Qualities = append(b.Qualities, uint32(quality))
	}
	b.Dt = append(b.Dt, dt)
	b.Values = append(b.Values, value)
}

// fillQualities makes the qualities as long as the values. The first that is worth a word brings those of all rows before it.
func (b *Batch) fillQualities() {
	for len(b.Qualities) < len(b.Values) {
		b.Qualities = append(b.Qualities, uint32(Good))
	}
}

func (o *Output) number(text string) int {
	b := &o.batch
	if n := len(b.Texts); n > 0 && b.Texts[n-1] == text {
		return n - 1
	}
	number, known := o.numbers[text]
	if !known {
		number = len(b.Texts)
		b.Texts = append(b.Texts, text)
		o.numbers[text] = number
	}
	return number
}

func (o *Output) checkPort(port uint32, kind Kind) {
	if int(port) >= len(o.ports) {
		panic("tidemill: output port " + strconv.Itoa(int(port)) + " does not exist: there are " + strconv.Itoa(len(o.ports)))
	}
	if o.ports[port].Kind != kind {
		panic("tidemill: output port `" + o.ports[port].Name + "` carries texts where a number was emitted, or the other way round")
	}
}
