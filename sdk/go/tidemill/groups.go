// State per group.

package tidemill

import "iter"

// groupsPerChunk is how many states lie beside each other. Larger wastes memory on operators with few groups, smaller costs speed.
const groupsPerChunk = 64

// Groups holds one T per group. The host numbers groups from 0 without holes, so this is the fastest map there is, and its order is
// always the same. The empty value is ready to use. States never move, so pointers to them may be kept.
type Groups[T any] struct {
	chunks []*[groupsPerChunk]T
	count  uint32
}

// Of is the state of a group; that of a new group is T's zero value.
func (g *Groups[T]) Of(group uint32) *T {
	if group >= g.count {
		g.grow(group)
	}
	return &g.chunks[group/groupsPerChunk][group%groupsPerChunk]
}

// Len is how many groups there are: one more than the highest number that was asked for.
func (g *Groups[T]) Len() int { return int(g.count) }

// All are the groups with their states, by number.
func (g *Groups[T]) All() iter.Seq2[uint32, *T] {
	return func(yield func(uint32, *T) bool) {
		for group := range g.count {
			if !yield(group, g.Of(group)) {
				return
			}
		}
	}
}

func (g *Groups[T]) grow(group uint32) {
	g.count = group + 1
	for len(g.chunks) <= int(group/groupsPerChunk) {
		g.chunks = append(g.chunks, new([groupsPerChunk]T))
	}
}
