// Drives the plugin natively, by hand-computed numbers: `go test ./...`.
package main

import (
	"math"
	"reflect"
	"testing"

	"tidemill"
	"tidemill/tidemilltest"
)

type rows = []tidemilltest.Row

func in(group uint32, second int64, value float64, quality tidemill.Quality) tidemilltest.Row {
	return tidemilltest.Row{Group: group, Time: tidemill.Seconds(second), Value: value, Quality: quality}
}

func level(group uint32, second int64, value float64, quality tidemill.Quality) tidemilltest.Row {
	return tidemilltest.Row{Group: group, Port: outValue, Time: tidemill.Seconds(second), Value: value, Quality: quality}
}

func state(group uint32, second int64, text string) tidemilltest.Row {
	return tidemilltest.Row{Group: group, Port: outState, Time: tidemill.Seconds(second), Text: text}
}

func configured(t *testing.T, params string) *tidemilltest.Calculation {
	t.Helper()
	plugin, err := tidemilltest.Configure(about, &Plugin{}, params)
	if err != nil {
		t.Fatal(err)
	}
	return plugin
}

func check(t *testing.T, step string, got rows, err error, want ...tidemilltest.Row) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, rows(want)) {
		t.Errorf("%s:\n  got  %v, %v\n  want %v", step, got, err, want)
	}
}

func TestTwoSeriesAreFilteredBesideEachOther(t *testing.T) {
	const good, uncertain, bad = tidemill.Good, tidemill.Uncertain, tidemill.Bad
	plugin := configured(t, `{"alpha": 0.25, "stale_s": 10}`)

	got, err := plugin.Process(in(0, 1, 8, good), in(1, 1, 100, uncertain), in(0, 2, 16, good))
	check(t, "first rows", got, err,
		state(0, 1, "fresh"), level(0, 1, 8, good),
		state(1, 1, "fresh"), level(1, 1, 100, uncertain),
		level(0, 2, 10, good))

	got, err = plugin.Process(in(0, 3, 1000, bad), in(0, 3, math.NaN(), good), in(0, 1, 1000, good), in(0, 2, 14, good))
	check(t, "bad, NaN and late rows are skipped, an equal time is not late", got, err, level(0, 2, 11, good))

	got, err = plugin.Advance(tidemill.Seconds(11))
	check(t, "the second series runs out first", got, err, state(1, 11, "stale"))
	got, err = plugin.Advance(tidemill.Seconds(40))
	check(t, "at the time at which it ran out, once", got, err, state(0, 12, "stale"))
	got, err = plugin.Advance(tidemill.Seconds(50))
	check(t, "silence goes on", got, err)

	got, err = plugin.Process(in(1, 60, 60, good))
	check(t, "fresh again, from the old level", got, err, state(1, 60, "fresh"), level(1, 60, 90, good))
}

func TestNothingGoesStaleUnlessAskedFor(t *testing.T) {
	plugin := configured(t, `{"alpha": 1}`)
	got, err := plugin.Process(in(0, 1, 5, tidemill.Good), in(0, 2, 7, tidemill.Good))
	check(t, "alpha 1 follows", got, err, state(0, 1, "fresh"), level(0, 1, 5, tidemill.Good), level(0, 2, 7, tidemill.Good))
	got, err = plugin.Advance(tidemill.Seconds(1_000_000))
	check(t, "no timer", got, err)
}

func TestWrongParametersAreRefusedByName(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                            "parameter `alpha` is missing; give a number",
		`{"alpha": 0}`:                  "parameter `alpha` must lie above 0 and be at most 1",
		`{"alpha": 1.5}`:                "parameter `alpha` must lie above 0 and be at most 1",
		`{"alpha": "x"}`:                "parameter `alpha` is the string \"x\", but must be a number",
		`{"alpha": 0.5, "stale_s": -1}`: "parameter `stale_s` is -1, but must be 0 or more",
		`{"alpha": 0.5, "stale": 1}`:    "parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`",
	} {
		_, err := tidemilltest.Configure(about, &Plugin{}, params)
		if err == nil || err.Error() != want || tidemill.AsProblem(err).Code != tidemill.CodeParameter {
			t.Errorf("%s: got %v, want %s", params, err, want)
		}
	}
}
