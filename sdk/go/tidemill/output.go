// Where a calculation puts its results.
//
// Invariants: rows keep the order in which they were emitted; a run ends where group or port change or time goes back; qualities stay
// empty while everything is good; texts are in order of first use.

package tidemill

import (
	"math"
	"strconv"
)

// RowsKeptMax: buffers beyond that many rows (1.5 MB) are given back after the call, because memory is part of every checkpoint.
const RowsKeptMax = 65_536

// rowsMin is for how many rows there is room at first.
const rowsMin = 64

var nan = math.NaN()

// Output takes rows on their way out. Rows may come in any order; those of one group and port are cheapest in a row and by time.
type Output struct {
	ports     []Port
	rows      int // how many rows there are
	fast      int // up to which row Emit may write without a further look; 0 after a text, and once a quality is worth a word
	t0        Time
	dt        []int64   // the first rows count
	values    []float64 // as long as dt
	qualities []uint32  // none, or as many as rows
	heads     []RunHead // without the rows of the last
	begin     int       // the first row of the last run
	last      Row       // its group, port and newest time
	texts     []string
	numbers   map[string]int // place of each text; only ever asked for one
	batch     Batch
}

// NewOutput is an empty output with these ports.
func NewOutput(ports []Port) *Output {
	return &Output{ports: ports, numbers: map[string]int{}}
}

// Emit emits a row on a number port. A port that does not exist or carries texts is a mistake of the plugin: that panics.
func (o *Output) Emit(group, port uint32, time Time, value float64, quality Quality) {
	// The usual row is good and continues a run. Calls are what costs most in a module, so there is none here.
	if n := o.rows; n < o.fast && group == o.last.Group && port == o.last.Port && time >= o.last.Time && quality == Good {
		o.dt[n], o.values[n] = int64(time)-int64(o.t0), value
		o.rows, o.last.Time = n+1, time
		return
	}
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
	if checkColumns(len(run.Values), run.Dt, run.Values, run.Qualities) != nil {
		panic("tidemill: EmitRun with columns that differ in length")
	}
	if len(run.Values) == 0 {
		return
	}
	o.beginRun(run.Group, run.Port, run.Time(0))
	o.reserve(len(run.Values))
	if len(run.Qualities) > 0 || len(o.qualities) > 0 {
		o.fillQualities()
		o.qualities = append(o.qualities, run.Qualities...)
	}
	copy(o.values[o.rows:], run.Values)
	for i := range run.Dt {
		time := run.Time(i)
		if time < o.last.Time {
			panic("tidemill: EmitRun with a time that goes back")
		}
		o.dt[o.rows] = int64(time) - int64(o.t0)
		o.rows++
		o.last.Time = time
	}
	if len(o.qualities) > 0 {
		o.fillQualities()
	}
	o.setFast()
}

// Len is how many rows were emitted in this call.
func (o *Output) Len() int { return o.rows }

// Batch is what was emitted in this call. It is valid until the next row is emitted.
func (o *Output) Batch() *Batch {
	if n := len(o.heads); n > 0 {
		o.heads[n-1].Rows = uint32(o.rows - o.begin)
	}
	o.batch = Batch{o.t0, o.heads, o.dt[:o.rows], o.values[:o.rows], o.qualities, o.texts}
	return &o.batch
}

// Reset forgets the rows. It is called before every call.
func (o *Output) Reset() {
	if len(o.values) > RowsKeptMax {
		*o = *NewOutput(o.ports)
	}
	if len(o.texts) > 0 {
		clear(o.texts)
		clear(o.numbers)
	}
	o.rows, o.fast, o.t0, o.batch = 0, 0, 0, Batch{}
	o.qualities, o.heads, o.texts = o.qualities[:0], o.heads[:0], o.texts[:0]
}

func (o *Output) push(group, port uint32, time Time, value float64, quality Quality) {
	if len(o.heads) == 0 || group != o.last.Group || port != o.last.Port || time < o.last.Time {
		o.beginRun(group, port, time)
	}
	o.reserve(1)
	if quality != Good || len(o.qualities) > 0 {
		o.fillQualities()
		o.qualities = append(o.qualities, uint32(quality))
	}
	o.dt[o.rows], o.values[o.rows] = int64(time)-int64(o.t0), value
	o.rows++
	o.last.Time = time
	o.setFast()
}

func (o *Output) beginRun(group, port uint32, time Time) {
	if n := len(o.heads); n > 0 {
		o.heads[n-1].Rows = uint32(o.rows - o.begin)
	} else {
		o.t0 = time
	}
	o.heads = append(o.heads, RunHead{group, port, 0})
	o.begin = o.rows
	o.last.Group, o.last.Port, o.last.Time = group, port, time
}

func (o *Output) setFast() {
	o.fast = 0
	if len(o.qualities) == 0 && o.ports[o.last.Port].Kind == Number {
		o.fast = len(o.dt)
	}
}

// reserve makes room for more rows.
func (o *Output) reserve(more int) {
	if needed := o.rows + more; needed > len(o.dt) {
		length := max(needed, 2*len(o.dt), rowsMin)
		o.dt = append(o.dt, make([]int64, length-len(o.dt))...)
		o.values = append(o.values, make([]float64, length-len(o.values))...)
	}
}

// fillQualities gives every row its quality. The first that is worth a word brings those of all rows before it.
func (o *Output) fillQualities() {
	for len(o.qualities) < o.rows {
		o.qualities = append(o.qualities, uint32(Good))
	}
}

func (o *Output) number(text string) int {
	if n := len(o.texts); n > 0 && o.texts[n-1] == text {
		return n - 1
	}
	number, known := o.numbers[text]
	if !known {
		number = len(o.texts)
		o.texts = append(o.texts, text)
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
