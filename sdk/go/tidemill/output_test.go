package tidemill

import (
	"math"
	"math/rand"
	"reflect"
	"slices"
	"testing"
)

var ports = []Port{{"value", Number}, {"state", Text}, {"count", Number}}

func TestRowsComeBackAsTheyWereEmitted(t *testing.T) {
	output := NewOutput(ports)
	rows := []Row{{1, 0, 7, 1, Good}, {1, 0, 7, 2, Good}, {1, 0, 3, 5, Bad}, {1, 2, 4, 3, Good}, {2, 2, 4, 3, Good}}
	for _, row := range rows {
		output.Emit(row.Group, row.Port, row.Time, row.Value, row.Quality)
	}
	batch := output.Batch()
	if got := slices.Collect(batch.Rows()); !reflect.DeepEqual(got, rows) {
		t.Errorf("got %v", got)
	}
	if want := []RunHead{{1, 0, 2}, {1, 0, 1}, {1, 2, 1}, {2, 2, 1}}; !reflect.DeepEqual(batch.Heads, want) {
		t.Errorf("time must not go back within a run: %v", batch.Heads)
	}
	if want := []uint32{0, 0, uint32(Bad), 0, 0}; !reflect.DeepEqual(batch.Qualities, want) {
		t.Errorf("qualities %v", batch.Qualities)
	}
	if err := batch.Check(); err != nil {
		t.Error(err)
	}
}

func TestManyRowsInAnyOrderComeBackAsTheyWereEmitted(t *testing.T) {
	output := NewOutput(ports)
	random := rand.New(rand.NewSource(1))
	for call := range 50 {
		output.Reset()
		var want []Row
		for range random.Intn(2000) {
			row := Row{uint32(random.Intn(2)), 2 * uint32(random.Intn(8)/7), Time(random.Intn(10)), random.Float64(), Good}
			if call%2 == 1 && random.Intn(100) == 0 {
				row.Quality = Uncertain
			}
			want = append(want, row)
			output.Emit(row.Group, row.Port, row.Time, row.Value, row.Quality)
		}
		if got := slices.Collect(output.Batch().Rows()); !slices.Equal(got, want) || output.Len() != len(want) {
			t.Fatalf("call %d: %d rows of %d, or others", call, len(got), len(want))
		}
		if err := output.Batch().Check(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQualitiesStayAwayWhileEverythingIsGood(t *testing.T) {
	output := NewOutput(ports)
	output.Emit(0, 0, 1, 1, Good)
	output.EmitRun(Run{Group: 0, Port: 0, T0: 5, Dt: []int64{0}, Values: []float64{2}})
	if len(output.Batch().Qualities) != 0 {
		t.Error("qualities although all is good")
	}
}

func TestTextsAreNumberedInOrderOfFirstUseAndAnewInEveryCall(t *testing.T) {
	output := NewOutput(ports)
	for range 2 {
		output.Reset()
		for _, text := range []string{"off", "on", "off", "off", ""} {
			output.EmitText(0, 1, 9, text, Good)
		}
		batch := output.Batch()
		if want := []string{"off", "on", ""}; !reflect.DeepEqual(batch.Texts, want) {
			t.Errorf("texts %q", batch.Texts)
		}
		if want := []float64{0, 1, 0, 0, 2}; !reflect.DeepEqual(batch.Values, want) {
			t.Errorf("values %v", batch.Values)
		}
	}
}

func TestARunIsEmittedAsItIs(t *testing.T) {
	input := NewOutput(ports)
	rows := []Row{{4, 0, 10, 1, Good}, {4, 0, 12, 2, Uncertain}, {5, 0, 3, 3, Good}}
	for _, row := range rows {
		input.Emit(row.Group, row.Port, row.Time, row.Value, row.Quality)
	}
	output := NewOutput(ports)
	output.Emit(1, 2, 100, 0, Good)
	for run := range input.Batch().Runs() {
		output.EmitRun(run)
	}
	if got := slices.Collect(output.Batch().Rows())[1:]; !reflect.DeepEqual(got, rows) {
		t.Errorf("got %v", got)
	}
}

func TestMistakesOfThePluginPanic(t *testing.T) {
	for name, mistake := range map[string]func(*Output){
		"no such port":                 func(o *Output) { o.Emit(0, 3, 0, 0, Good) },
		"number as text":               func(o *Output) { o.EmitText(0, 0, 0, "x", Good) },
		"text as number":               func(o *Output) { o.Emit(0, 1, 0, 0, Good) },
		"text as number, after a text": func(o *Output) { o.EmitText(0, 1, 0, "x", Good); o.Emit(0, 1, 0, 0, Good) },
		"run of texts":                 func(o *Output) { o.EmitRun(Run{Port: 1}) },
		"uneven columns":               func(o *Output) { o.EmitRun(Run{Dt: []int64{1}}) },
		"time goes back":               func(o *Output) { o.EmitRun(Run{Dt: []int64{1, 0}, Values: []float64{0, 0}}) },
		"text of a number":             func(o *Output) { o.Emit(0, 0, 0, 7, Good); o.Batch().Text(Row{Value: 7}) },
		"text of a NaN":                func(o *Output) { o.EmitText(0, 1, 0, "x", Good); o.Batch().Text(Row{Value: math.NaN()}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake(NewOutput(ports))
		}()
	}
}

func TestColumnsOfDifferentLengthAreRefused(t *testing.T) {
	for _, wrong := range []Batch{
		{Heads: []RunHead{{0, 0, 2}}, Dt: []int64{0}, Values: []float64{0}},
		{Heads: []RunHead{{0, 0, 1}}, Dt: []int64{0}},
		{Heads: []RunHead{{0, 0, 1}}, Values: []float64{0}},
		{Heads: []RunHead{{0, 0, 1}}, Dt: []int64{0}, Values: []float64{0}, Qualities: []uint32{0, 0}},
	} {
		if err := wrong.Check(); err == nil || AsProblem(err).Code != CodeContract {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}
