//go:build !wasip1

// The state by key of a native test: a map, one for the whole process.

package kv

import "bytes"

type place struct {
	group uint32
	key   string
}

var state = map[place][]byte{}

// Clear forgets everything. Only native tests have it: call it where one begins.
func Clear() { clear(state) }

func get(group uint32, key []byte) ([]byte, bool) {
	value, found := state[place{group, string(key)}]
	return bytes.Clone(value), found
}

func set(group uint32, key, value []byte) { state[place{group, string(key)}] = bytes.Clone(value) }

func remove(group uint32, key []byte) { delete(state, place{group, string(key)}) }
