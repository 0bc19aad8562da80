// State by key in a module: the host keeps it.

package kv

import (
	"bytes"
	"runtime"
	"unsafe"

	"tidemill/internal/abi"
)

//go:wasmimport tidemill:plugin/kv@0.2.0 get
func hostGet(group uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

//go:wasmimport tidemill:plugin/kv@0.2.0 set
func hostSet(group uint32, key unsafe.Pointer, keyLength uint32, value unsafe.Pointer, valueLength uint32)

//go:wasmimport tidemill:plugin/kv@0.2.0 remove
func hostRemove(group uint32, key unsafe.Pointer, keyLength uint32)

// answer is what get writes: 12 bytes, align 4. Memory for the value comes from cabi_realloc while get runs.
var answer struct {
	found uint8
	value abi.List
}

func get(group uint32, key []byte) ([]byte, bool) {
	hostGet(group, pointer(key), uint32(len(key)), unsafe.Pointer(&answer))
	runtime.KeepAlive(key)
	if answer.found == 0 {
		return nil, false
	}
	return bytes.Clone(abi.In[byte](answer.value.Ptr, answer.value.Len)), true
}

func set(group uint32, key, value []byte) {
	hostSet(group, pointer(key), uint32(len(key)), pointer(value), uint32(len(value)))
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
}

func remove(group uint32, key []byte) {
	hostRemove(group, pointer(key), uint32(len(key)))
	runtime.KeepAlive(key)
}

func pointer(bytes []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(bytes)) }
