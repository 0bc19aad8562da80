// Reads the one kind of JSON that parameters are: an object of numbers, strings and booleans (RFC 8259).
//
// Nested lists and objects are refused by name. null counts as absent. Written by hand because encoding/json would keep neither the
// order nor a key that is there twice, and would make the module a third larger.

package tidemill

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// entry is a parameter; its value is a float64, a string or a bool.
type entry struct {
	key   string
	value any
}

// parseObject gives the entries of the object in text, in their order. An empty text is an empty object.
func parseObject(text string) ([]entry, error) {
	if strings.Trim(text, jsonSpace) == "" {
		return nil, nil
	}
	r := &jsonReader{rest: text}
	entries, err := r.object()
	if err != nil {
		return nil, err
	}
	if r.peek() != 0 {
		return nil, errors.New(r.quoteNext() + " after the end of the object")
	}
	return entries, nil
}

const jsonSpace = " \t\n\r"

type jsonReader struct{ rest string }

func (r *jsonReader) object() ([]entry, error) {
	var entries []entry
	if err := r.expect('{'); err != nil || r.take('}') {
		return nil, err
	}
	for {
		key, err := r.key()
		if err != nil {
			return nil, err
		}
		for _, known := range entries {
			if known.key == key {
				return nil, errors.New("`" + key + "` is there twice")
			}
		}
		value, err := r.value(key)
		if err != nil {
			return nil, err
		}
		if value != nil {
			entries = append(entries, entry{key, value})
		}
		if r.take('}') {
			return entries, nil
		}
		if err := r.expect(','); err != nil {
			return nil, err
		}
	}
}

func (r *jsonReader) key() (string, error) {
	if err := r.expect('"'); err != nil {
		return "", err
	}
	key, err := r.string()
	if err != nil {
		return "", err
	}
	return key, r.expect(':')
}

// value is nil for null.
func (r *jsonReader) value(key string) (any, error) {
	switch r.peek() {
	case '"':
		r.rest = r.rest[1:]
		return r.string()
	case '{', '[':
		return nil, errors.New("`" + key + "` is a list or an object; only numbers, strings and booleans can be parameters")
	}
	switch word := r.word(); word {
	case "":
		return nil, errors.New("a value is missing")
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	default:
		number, err := strconv.ParseFloat(word, 64)
		if err != nil || !isNumber(word) || math.IsInf(number, 0) {
			return nil, errors.New("`" + key + "` is `" + word + "`, which is not a JSON value")
		}
		return number, nil
	}
}

// word is everything up to the next delimiter.
func (r *jsonReader) word() string {
	end := strings.IndexAny(r.rest, ",}]\""+jsonSpace)
	if end < 0 {
		end = len(r.rest)
	}
	word := r.rest[:end]
	r.rest = r.rest[end:]
	return word
}

// string reads the rest of a string whose opening quote was read.
func (r *jsonReader) string() (string, error) {
	var text []byte
	for r.rest != "" {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch {
		case c == '"':
			return string(text), nil
		case c == '\\':
			escaped, err := r.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, escaped)
		case c < ' ':
			return "", errors.New("a control character in a string; write it as an escape")
		default:
			text = append(text, c)
		}
	}
	return "", errors.New("a string does not end")
}

func (r *jsonReader) escape() (rune, error) {
	if r.rest == "" {
		return 0, errors.New("a string does not end")
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	if c == 'u' {
		return r.unicodeEscape()
	}
	if place := strings.IndexByte(`"\/bfnrt`, c); place >= 0 {
		return rune("\"\\/\b\f\n\r\t"[place]), nil
	}
	return 0, errors.New("an unknown escape in a string")
}

func (r *jsonReader) unicodeEscape() (rune, error) {
	broken := errors.New("a broken \\u escape in a string")
	code, ok := r.fourHexDigits()
	if ok && utf16.IsSurrogate(code) {
		if !strings.HasPrefix(r.rest, `\u`) {
			return 0, broken
		}
		r.rest = r.rest[2:]
		low, _ := r.fourHexDigits()
		code = utf16.DecodeRune(code, low)
		ok = code != utf8.RuneError
	}
	if !ok {
		return 0, broken
	}
	return code, nil
}

func (r *jsonReader) fourHexDigits() (rune, bool) {
	if len(r.rest) < 4 {
		return 0, false
	}
	code, err := strconv.ParseUint(r.rest[:4], 16, 32)
	r.rest = r.rest[4:]
	return rune(code), err == nil
}

// peek is the next byte after space, 0 at the end.
func (r *jsonReader) peek() byte {
	r.rest = strings.TrimLeft(r.rest, jsonSpace)
	if r.rest == "" {
		return 0
	}
	return r.rest[0]
}

func (r *jsonReader) take(wanted byte) bool {
	if r.peek() != wanted {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *jsonReader) expect(wanted byte) error {
	if r.take(wanted) {
		return nil
	}
	return errors.New(r.quoteNext() + " where `" + string(rune(wanted)) + "` belongs")
}

func (r *jsonReader) quoteNext() string {
	if r.peek() == 0 {
		return "the end"
	}
	c, _ := utf8.DecodeRuneInString(r.rest)
	return "`" + string(c) + "`"
}

// isNumber tells whether word, which ParseFloat accepts, is a number in JSON too: no `inf`, `.5`, `+1`, `0x10`, `1_000`.
func isNumber(word string) bool {
	digits := strings.TrimPrefix(word, "-")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9' && digits[len(digits)-1] != '.' &&
		strings.Trim(digits, "0123456789.eE+-") == "" && !strings.Contains(digits, ".e") && !strings.Contains(digits, ".E")
}
