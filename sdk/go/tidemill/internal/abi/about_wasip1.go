// The result of describe.

package abi

import (
	"unsafe"

	"tidemill"
)

// Contract is the version of the contract that this package speaks: 2 stands for 0.2.
const Contract = 2

// about is 32 bytes, align 4.
type about struct{ name, version, inputs, outputs List }

// port is 12 bytes, align 4; the kind is one byte.
type port struct {
	name List
	kind uint32
}

// description keeps the last answer reachable.
var description struct {
	area            about
	inputs, outputs []port
}

// Describe is the area of an About, which must stay reachable.
func Describe(what *tidemill.About) unsafe.Pointer {
	d := &description
	d.inputs, d.outputs = ports(what.Inputs), ports(what.Outputs)
	d.area = about{TextOut(what.Name), TextOut(what.Version), Out(d.inputs), Out(d.outputs)}
	return unsafe.Pointer(&d.area)
}

func ports(of []tidemill.Port) []port {
	out := make([]port, len(of))
	for i := range of {
		out[i] = port{TextOut(of[i].Name), uint32(of[i].Kind)}
	}
	return out
}
