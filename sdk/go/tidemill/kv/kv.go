// Package kv is state by key that the host keeps for a calculation, with its checkpoints: for state too large for memory, and for state
// that must outlive a new version of the plugin. Keys belong to a group and go with it wherever the group goes.
//
// A module that does not use this package does not import the host's functions either. In a native test the state lives in this
// process: see kv_native.go.
package kv

// Get is the value of a key, and whether it has one. The value belongs to the caller.
func Get(group uint32, key []byte) ([]byte, bool) { return get(group, key) }

// Set sets the value of a key. It counts towards the operator's limit on state.
func Set(group uint32, key, value []byte) { set(group, key, value) }

// Remove forgets a key.
func Remove(group uint32, key []byte) { remove(group, key) }
