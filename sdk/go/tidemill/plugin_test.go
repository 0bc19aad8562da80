package tidemill

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
)

func TestTimeStopsAtTheEndsOfItsRange(t *testing.T) {
	const most, least = Time(math.MaxInt64), Time(math.MinInt64)
	for _, c := range []struct{ got, want int64 }{
		{int64(Seconds(2).Plus(-Second)), Second},
		{int64(most.Plus(1)), math.MaxInt64},
		{int64(least.Plus(-1)), math.MinInt64},
		{Seconds(3).Since(Seconds(5)), -2 * Second},
		{most.Since(least), math.MaxInt64},
		{least.Since(most), math.MinInt64},
		{Time(-2).Since(most), math.MinInt64},
		{Time(0).Since(least), math.MaxInt64},
		{Nanos(1.5), 1_500_000_000},
		{Nanos(-0.9e-9), 0},
		{Nanos(1e30), math.MaxInt64},
		{Nanos(-1e30), math.MinInt64},
		{Nanos(math.NaN()), 0},
	} {
		if c.got != c.want {
			t.Errorf("got %d, want %d", c.got, c.want)
		}
	}
}

func TestTheWorstOfTwoIsDecidedBySeverityAlone(t *testing.T) {
	const details Quality = 0x0096_0000
	for _, c := range []struct{ a, b, want Quality }{
		{Good, Bad, Bad}, {Bad, Uncertain, Bad}, {details, Good, details}, {Uncertain, details, Uncertain},
		{0xC000_0001, 0x8000_0002, 0xC000_0001}, {0x8000_0002, 0xC000_0001, 0x8000_0002},
	} {
		if got := c.a.Worst(c.b); got != c.want {
			t.Errorf("%x and %x: got %x, want %x", c.a, c.b, got, c.want)
		}
	}
}

func TestStatesOfGroupsNeverMove(t *testing.T) {
	var groups Groups[int]
	first := groups.Of(0)
	*groups.Of(1000) = 7
	*first = 5
	if *groups.Of(0) != 5 || *groups.Of(1000) != 7 || groups.Len() != 1001 {
		t.Error("a state has moved")
	}
	next := uint32(0)
	for group := range groups.All() {
		if group != next {
			t.Fatalf("group %d after %d", group, next)
		}
		next++
	}
}

func TestAnyErrorIsAProblem(t *testing.T) {
	if got := AsProblem(errors.New("no tide")); *got != (Problem{CodeOwn, "no tide"}) {
		t.Errorf("got %v", got)
	}
	wrapped := fmt.Errorf("while starting: %w", WrongParameter("a", "is odd"))
	if got := AsProblem(wrapped); *got != (Problem{CodeParameter, "parameter `a` is odd"}) {
		t.Errorf("got %v", got)
	}
}

// spread gives the difference of largest and smallest value, and nothing for an empty window.
type spread struct{ NoParameters }

func (spread) Aggregate(window *Window, out []float64) error {
	for i, value := range window.Values {
		if i == 0 {
			out[0] = 0
		}
		out[0] = max(out[0], value-window.Values[0])
	}
	return nil
}

func TestWindowsHaveTheirOwnRowsAndTimes(t *testing.T) {
	windows := Windows{
		Heads:     []WindowHead{{0, 2, 10, 20}, {1, 0, 20, 30}, {1, 1, 30, 40}},
		Dt:        []int64{0, 4, 9},
		Values:    []float64{1, 4, 2},
		Qualities: []uint32{0, uint32(Bad), 0},
	}
	if err := windows.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := windows.Aggregate(spread{}, 1, nil)
	if err != nil || len(got) != 3 || got[0] != 3 || !math.IsNaN(got[1]) || got[2] != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	var rows []WindowRow
	_, err = windows.Aggregate(eachRow(func(row WindowRow) { rows = append(rows, row) }), 1, nil)
	if want := []WindowRow{{10, 1, Good}, {14, 4, Bad}, {39, 2, Good}}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("got %v, %v", rows, err)
	}
}

type eachRow func(WindowRow)

func (eachRow) Configure(*Params) error { return nil }

func (do eachRow) Aggregate(window *Window, _ []float64) error {
	for row := range window.Rows() {
		do(row)
	}
	return nil
}
