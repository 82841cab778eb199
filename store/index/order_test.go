package index

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/engine"
)

// The order of places is the order of the entries themselves, whatever their keys share.
func TestInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([][]byte{nil, {0}, {0, 0}, {1}, []byte("same-"), []byte("same-same-"), bytes.Repeat([]byte{0}, 8), {255}})
		batch := rapid.SliceOf(rapid.Custom(func(t *rapid.T) entry {
			return entry{
				space: engine.Space(rapid.IntRange(0, 2).Draw(t, "space")),
				key:   bytes.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "key"), nil),
			}
		})).Draw(t, "batch")
		var got []entry
		for _, p := range inOrder(batch) {
			got = append(got, batch[p.at])
		}
		if len(got) != len(batch) || !slices.IsSortedFunc(got, func(a, b entry) int { return a.compare(&b) }) {
			t.Fatalf("%v became %v", batch, got)
		}
	})
}
