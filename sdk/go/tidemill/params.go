// The parameters of an operator.
//
// Invariants: every parameter is either taken by the plugin or refused by name, so that a typing error is never silent; the first
// problem is the one that is reported.

package tidemill

import "strconv"

// Params are parameters to be taken by name and type, each at most once.
//
// A parameter that is missing or of the wrong type makes Configure fail with a text that names it, whatever Configure returns. So
// there is nothing to check after each call.
type Params struct {
	entries []entry
	asked   []string
	problem *Problem
}

func parseParams(json string) (*Params, error) {
	entries, err := parseObject(json)
	if err != nil {
		return nil, &Problem{CodeParameter, "the parameters are not a JSON object of plain values: " + err.Error()}
	}
	return &Params{entries: entries}, nil
}

// Number takes the number name.
func (p *Params) Number(name string) float64 {
	number, _ := take[float64](p, name, "a number", true)
	return number
}

// NumberOr takes the number name, or fallback if it is missing.
func (p *Params) NumberOr(name string, fallback float64) float64 {
	return takeOr(p, name, "a number", fallback)
}

// NonNegativeOr takes the number name, or fallback if it is missing; it must be 0 or more.
func (p *Params) NonNegativeOr(name string, fallback float64) float64 {
	number := p.NumberOr(name, fallback)
	if number < 0 {
		p.refuse(WrongParameter(name, "is "+formatNumber(number)+", but must be 0 or more"))
	}
	return number
}

// Text takes the string name.
func (p *Params) Text(name string) string {
	text, _ := take[string](p, name, "a string", true)
	return text
}

// TextOr takes the string name, or fallback if it is missing.
func (p *Params) TextOr(name, fallback string) string {
	return takeOr(p, name, "a string", fallback)
}

// FlagOr takes the boolean name, or fallback if it is missing.
func (p *Params) FlagOr(name string, fallback bool) bool {
	return takeOr(p, name, "a boolean", fallback)
}

func takeOr[T any](p *Params, name, wanted string, fallback T) T {
	if value, found := take[T](p, name, wanted, false); found {
		return value
	}
	return fallback
}

func take[T any](p *Params, name, wanted string, required bool) (value T, found bool) {
	p.asked = append(p.asked, name)
	for i, entry := range p.entries {
		if entry.key != name {
			continue
		}
		p.entries = append(p.entries[:i], p.entries[i+1:]...)
		if value, found = entry.value.(T); !found {
			p.refuse(WrongParameter(name, "is "+described(entry.value)+", but must be "+wanted))
		}
		return value, found
	}
	if required {
		p.refuse(WrongParameter(name, "is missing; give "+wanted))
	}
	return value, false
}

func (p *Params) refuse(problem *Problem) {
	if p.problem == nil {
		p.problem = problem
	}
}

// finish refuses what nobody has taken.
func (p *Params) finish() error {
	if len(p.entries) == 0 {
		return nil
	}
	known := "none"
	for i, name := range p.asked {
		if i == 0 {
			known = "`" + name + "`"
		} else {
			known += ", `" + name + "`"
		}
	}
	return WrongParameter(p.entries[0].key, "is unknown; this plugin takes "+known)
}

func described(value any) string {
	switch value := value.(type) {
	case float64:
		return "the number " + formatNumber(value)
	case bool:
		return "the boolean " + strconv.FormatBool(value)
	default:
		return "the string \"" + value.(string) + "\""
	}
}

func formatNumber(number float64) string { return strconv.FormatFloat(number, 'f', -1, 64) }
