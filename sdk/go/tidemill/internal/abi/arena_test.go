package abi

import (
	"testing"
	"unsafe"
)

func TestMemoryOfACallIsAlignedAndStaysUntouched(t *testing.T) {
	var arena Arena
	type piece struct {
		at   []byte
		mark byte
	}
	var pieces []piece
	for i := range 2000 {
		size, align := uintptr(i*7%300), uintptr(1)<<(i%4)
		at := arena.Alloc(nil, 0, align, size)
		if uintptr(at)%align != 0 {
			t.Fatalf("%d bytes are not aligned to %d", size, align)
		}
		bytes := unsafe.Slice((*byte)(at), size)
		for j := range bytes {
			bytes[j] = byte(i)
		}
		pieces = append(pieces, piece{bytes, byte(i)})
	}
	for _, piece := range pieces {
		for _, byte := range piece.at {
			if byte != piece.mark {
				t.Fatal("two pieces of one call overlap")
			}
		}
	}
}

func TestCallsOfEqualSizeAllocateNothing(t *testing.T) {
	var arena Arena
	call := func() {
		for range 50 {
			arena.Alloc(nil, 0, 8, 4000)
		}
		arena.Reset()
	}
	call()
	call()
	if allocations := testing.AllocsPerRun(100, call); allocations != 0 {
		t.Errorf("%v allocations per call", allocations)
	}
}

func TestWhatALargeCallTookIsGivenBack(t *testing.T) {
	var arena Arena
	arena.Alloc(nil, 0, 8, 2*keptBytesMax)
	arena.Reset()
	arena.Alloc(nil, 0, 8, 8)
	if arena.total > keptBytesMax {
		t.Errorf("%d bytes are kept", arena.total)
	}
}

func TestReallocKeepsWhatFits(t *testing.T) {
	var arena Arena
	old := arena.Alloc(nil, 0, 1, 4)
	copy(unsafe.Slice((*byte)(old), 4), "tide")
	for size, want := range map[uintptr]string{2: "ti", 6: "tide\x00\x00"} {
		if got := string(unsafe.Slice((*byte)(arena.Alloc(old, 4, 1, size)), size)); got != want {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
}
