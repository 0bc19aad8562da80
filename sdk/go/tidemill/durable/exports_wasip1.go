// The two exports that the world `durable-calculation` adds.
//
// Invariant: what save returned is reachable from the package's variables until the next call.

package durable

import (
	"bytes"
	"unsafe"

	"tidemill"
	"tidemill/internal/abi"
)

var (
	states  [][]byte
	lists   []abi.List
	saved   abi.List
	outcome abi.Failure
)

//go:wasmexport save
func save(groups, count uint32) unsafe.Pointer {
	defer abi.Done()
	states, lists = nil, nil
	for _, group := range abi.In[uint32](groups, count) {
		state := plugin.Save(group)
		states = append(states, state)
		lists = append(lists, abi.Out(state))
	}
	saved = abi.Out(lists)
	return unsafe.Pointer(&saved)
}

//go:wasmexport load
func load(groups, groupCount, states, stateCount uint32) unsafe.Pointer {
	defer abi.Done()
	return outcome.Result(loadAll(abi.In[uint32](groups, groupCount), abi.In[abi.List](states, stateCount)))
}

func loadAll(groups []uint32, states []abi.List) error {
	if len(groups) != len(states) {
		return tidemill.BrokenContract("groups and states differ in length")
	}
	for i, state := range states {
		if state.Len == 0 {
			continue
		}
		if err := plugin.Load(groups[i], bytes.Clone(abi.In[byte](state.Ptr, state.Len))); err != nil {
			return err
		}
	}
	return nil
}
