// The operator's log in a module: the host takes it.

package tidemill

import (
	"runtime"
	"unsafe"
)

//go:wasmimport tidemill:plugin/host@0.2.0 log
func hostLog(level uint32, text unsafe.Pointer, length uint32)

func writeLog(level uint32, text string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
	runtime.KeepAlive(text)
}
