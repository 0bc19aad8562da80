// Package abi holds what the exports of both worlds share: the memory that the host writes to, lists in and lists out.
//
// Invariants: what Alloc returned stays reachable and untouched until Reset, which is called once per call of the host, when its lists
// have been used; so the collector never takes memory from under the host, and calls of equal size allocate nothing.
package abi

import "unsafe"

const (
	// chunkBytesMin: smaller costs more allocations while the arena grows, larger is memory that every operator has.
	chunkBytesMin = 16 << 10
	// keptBytesMax: what one unusually large call took beyond this is given back, because memory is part of every checkpoint.
	keptBytesMax = 4 << 20
	// alignMax is the strictest alignment that the contract asks for: words are what chunks are made of.
	alignMax = 8
)

// Arena hands out memory that is all given back at once.
type Arena struct {
	chunks [][]uint64 // never holds Go pointers
	used   uintptr    // bytes of the last chunk
	total  uintptr    // bytes of all chunks
	want   uintptr    // bytes that the next first chunk should have
}

// Alloc returns memory as cabi_realloc does. Like that, it panics when it cannot.
func (a *Arena) Alloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if align == 0 || align > alignMax || align&(align-1) != 0 {
		panic("tidemill: the host asked for memory with an alignment that the contract does not have")
	}
	fresh := a.take(align, size)
	if kept := min(oldSize, size); kept > 0 {
		copy(unsafe.Slice((*byte)(fresh), kept), unsafe.Slice((*byte)(old), kept))
	}
	return fresh
}

func (a *Arena) take(align, size uintptr) unsafe.Pointer {
	start := (a.used + align - 1) &^ (align - 1)
	if len(a.chunks) == 0 || start+size > bytes(a.chunks[len(a.chunks)-1]) {
		a.grow(size)
		start = 0
	}
	a.used = start + size
	chunk := a.chunks[len(a.chunks)-1]
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(chunk)), start)
}

// grow adds a chunk as large as all before it together, so that there are few.
func (a *Arena) grow(size uintptr) {
	words := (max(size, a.want, a.total, chunkBytesMin) + alignMax - 1) / alignMax
	chunk := make([]uint64, words)
	a.chunks = append(a.chunks, chunk)
	a.total += bytes(chunk)
}

// Reset gives everything back. What it keeps is one chunk; if there were several, the next will be as large as all of them.
func (a *Arena) Reset() {
	if len(a.chunks) > 1 || a.total > keptBytesMax {
		a.want = min(a.total, keptBytesMax)
		a.chunks, a.total = nil, 0
	}
	a.used = 0
}

func bytes(chunk []uint64) uintptr { return uintptr(len(chunk)) * alignMax }
