// Lists as they cross the border: a 32-bit pointer and a number of elements.
//
// Pointers come in as numbers, because for an empty list the host may pass any, and Go's collector does not bear a pointer to nowhere.

package abi

import (
	"strings"
	"unsafe"

	"tidemill"
)

// memory is what the host has allocated for the running call.
var memory Arena

// Realloc is cabi_realloc.
func Realloc(old, oldSize, align, size uint32) uint32 {
	return address(memory.Alloc(pointer(old), uintptr(oldSize), uintptr(align), uintptr(size)))
}

// Done is to be deferred by every export that takes lists: nothing of a call is needed after it.
func Done() { memory.Reset() }

// In is a list that the host has passed in. It is valid until Done.
func In[T any](ptr, length uint32) []T {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(pointer(ptr)), length)
}

// TextIn is a copy of a text that the host has passed in.
func TextIn(ptr, length uint32) string { return string(In[byte](ptr, length)) }

// List is a list in the result of a call.
type List struct{ Ptr, Len uint32 }

// Out is a list on its way out. The caller keeps it reachable until the next call.
func Out[T any](list []T) List {
	return List{address(unsafe.Pointer(unsafe.SliceData(list))), uint32(len(list))}
}

// TextOut is a text on its way out. The caller keeps it reachable until the next call.
func TextOut(text string) List {
	return List{address(unsafe.Pointer(unsafe.StringData(text))), uint32(len(text))}
}

// TextsIn are texts that the host has passed in, as Go strings of their own. A text that stands at the same place as in known, those of
// the last call, is not copied again.
func TextsIn(ptr, length uint32, known []string) []string {
	lists := In[List](ptr, length)
	if len(lists) == 0 {
		return known[:0]
	}
	for i, list := range lists {
		text := unsafe.String((*byte)(pointer(list.Ptr)), list.Len)
		switch {
		case i >= len(known):
			known = append(known, strings.Clone(text))
		case known[i] != text:
			known[i] = strings.Clone(text)
		}
	}
	return known[:len(lists)]
}

// failure is the result `err(problem)` of configure, load and aggregate: 16 bytes. Of ok, 0 is all there is.
type failure struct {
	failed uint32
	code   uint32
	text   List
}

// Failure keeps the problem of a call until the next one.
type Failure struct {
	area failure
	text string
}

// Result is the area of a result without a value.
func (f *Failure) Result(err error) unsafe.Pointer {
	f.area = failure{}
	if err != nil {
		problem := tidemill.AsProblem(err)
		f.text = problem.Text
		f.area = failure{1, problem.Code, TextOut(f.text)}
	}
	return unsafe.Pointer(&f.area)
}

func pointer(address uint32) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), address) }

func address(pointer unsafe.Pointer) uint32 { return uint32(uintptr(pointer)) }
