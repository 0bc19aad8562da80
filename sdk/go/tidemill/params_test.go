package tidemill

import (
	"reflect"
	"strings"
	"testing"
)

func configure(json string, use func(*Params)) string {
	err := Configured(json, func(p *Params) error {
		use(p)
		return nil
	})
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParametersAreTakenByNameAndType(t *testing.T) {
	problem := configure(`{"width": 2.5, "unit": "bar", "strict": true, "note": null}`, func(p *Params) {
		got := []any{p.Number("width"), p.Text("unit"), p.FlagOr("strict", false), p.NumberOr("rest_s", 60), p.TextOr("note", "none")}
		if want := []any{2.5, "bar", true, 60.0, "none"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	if problem != "" {
		t.Error(problem)
	}
}

func TestProblemsNameTheParameterAndWhatToDo(t *testing.T) {
	width := func(p *Params) { p.Number("width") }
	cases := []struct {
		json string
		use  func(*Params)
		want string
	}{
		{`{}`, width, "parameter `width` is missing; give a number"},
		{`{"width": "2"}`, width, "parameter `width` is the string \"2\", but must be a number"},
		{`{"width": true}`, width, "parameter `width` is the boolean true, but must be a number"},
		{`{"width": -1.5}`, func(p *Params) { p.NonNegativeOr("width", 0) }, "parameter `width` is -1.5, but must be 0 or more"},
		{`{"width": 1}`, func(p *Params) { p.TextOr("width", "") }, "parameter `width` is the number 1, but must be a string"},
		{`{"width": 1, "widht": 1}`, width, "parameter `widht` is unknown; this plugin takes `width`"},
		{`{"width": 1}`, func(*Params) {}, "parameter `width` is unknown; this plugin takes none"},
		{`{"a": 1}`, func(p *Params) { p.Number("first"); p.Number("second") }, "parameter `first` is missing; give a number"},
	}
	for _, c := range cases {
		if got := configure(c.json, c.use); got != c.want {
			t.Errorf("%s: got %q, want %q", c.json, got, c.want)
		}
	}
}

func TestAnObjectOfPlainValuesIsRead(t *testing.T) {
	got, err := parseObject(" {\"a\": -1.5e3, \"b\":\"x\\n\\u00e9\\ud83d\\ude00ü\", \"c\":true,\n \"d\": null, \"e\":0} ")
	want := []entry{{"a", -1500.0}, {"b", "x\né😀ü"}, {"c", true}, {"e", 0.0}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWhatIsWrongWithJSONIsSaid(t *testing.T) {
	for text, reason := range map[string]string{
		"{":               "the end where `\"` belongs",
		"[]":              "`[` where `{` belongs",
		`{"a":1,}`:        "`}` where `\"` belongs",
		`{"a":1} x`:       "`x` after the end",
		`{"a":[1]}`:       "`a` is a list",
		`{"a":1,"a":2}`:   "`a` is there twice",
		`{"a":}`:          "a value is missing",
		`{"a":inf}`:       "`inf`, which is not",
		`{"a":+1}`:        "`+1`, which is not",
		`{"a":.5}`:        "`.5`, which is not",
		`{"a":1.}`:        "`1.`, which is not",
		`{"a":1.e5}`:      "`1.e5`, which is not",
		`{"a":0x10}`:      "`0x10`, which is not",
		`{"a":1_0}`:       "`1_0`, which is not",
		`{"a":1e999}`:     "`1e999`, which is not",
		`{"a":"\ud83d"}`:  "a broken \\u escape",
		`{"a":"\ude00"}`:  "a broken \\u escape",
		`{"a":"\u+123"}`:  "a broken \\u escape",
		`{"a":"\x"}`:      "an unknown escape",
		`{"a":"x`:         "a string does not end",
		`{"a":"x\`:        "a string does not end",
		"{\"a\":\"\x01\"": "a control character",
	} {
		if _, err := parseObject(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want %s", text, err, reason)
		}
	}
}
