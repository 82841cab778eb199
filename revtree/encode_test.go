package revtree

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

func TestDecodeRejects(t *testing.T) {
	var tree Tree
	for _, path := range [][]Rev{
		{{3, "c"}, {2, "b"}, {1, "0123456789abcdef"}},
		{{2, "x"}, {1, "0123456789abcdef"}},
		{{2, "z"}},
	} {
		mustMerge(t, &tree, arrival{path: path, data: []byte("data")})
	}
	good := tree.AppendBinary(nil)
	for i := range good {
		if _, err := Decode(good[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"another version", append([]byte{2}, good[1:]...)},
		{"a byte too many", append(bytes.Clone(good), 0)},
		{"too many nodes for the bytes", []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 16, 1, 0}},
		{"a first node with a parent", []byte{1, 1, flagNext, 0}},
		{"unknown flags", []byte{1, 1, flagRoot | flagsEnd, 1, 0}},
		{"a root that has a parent", []byte{1, 1, flagRoot | flagNext, 1, 0}},
		{"a long spelling of a number", []byte{1, 1, flagRoot, 0x81, 0, 0}},
		{"a hash with its length", append([]byte{1, 1, flagRoot, 1, 16}, "0123456789abcdef"...)},
		{"a generation beyond counting", []byte{1, 1, flagRoot, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}},
		{"roots out of order", []byte{1, 2, flagRoot, 2, 0, flagRoot, 1, 0}},
		{"a root twice", []byte{1, 2, flagRoot, 1, 0, flagRoot, 1, 0}},
		{"children out of order", []byte{1, 3, flagRoot, 1, 0, flagNext, 1, 'b', 0, 2, 1, 'a'}},
		{"the node before by its distance", []byte{1, 2, flagRoot, 1, 0, 0, 1, 1, 'a'}},
		{"a revision twice", []byte{1, 4, flagRoot, 1, 1, 'a', flagNext, 1, 'c', flagRoot, 1, 1, 'b', flagNext, 1, 'c'}},
		{"a parent below another", []byte{1, 4, flagRoot, 1, 0, flagNext, 1, 'b', 0, 2, 1, 'c', 0, 2, 1, 'd'}},
	} {
		if got, err := Decode(tt.in); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

func TestDecodeDoesNotAlias(t *testing.T) {
	var tree Tree
	mustMerge(t, &tree, arrival{path: []Rev{{2, "bb"}, {1, "aa"}}, data: []byte("data")})
	encoded := tree.AppendBinary(nil)
	bytesIn := bytes.Clone(encoded)
	again, err := Decode(bytesIn)
	if err != nil {
		t.Fatal(err)
	}
	clear(bytesIn)
	n, _ := again.Find(Rev{2, "bb"})
	_ = append(n.Data, "more"...)
	if got := again.AppendBinary(nil); !bytes.Equal(got, encoded) {
		t.Fatalf("%x, want %x", got, encoded)
	}
}

// Decode accepts only what AppendBinary writes. It uses reasonable memory, and the tree is
// usable.
func FuzzDecode(f *testing.F) {
	for seed := range 20 {
		f.Add(rapid.Custom(func(t *rapid.T) []byte {
			var tree Tree
			for _, a := range drawHistory(t).arrivals(t) {
				mustMerge(t, &tree, a)
			}
			tree.Stem(rapid.IntRange(1, 9).Draw(t, "limit"))
			return tree.AppendBinary(nil)
		}).Example(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if got := tree.AppendBinary(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x encodes as %x", b, got)
		}
		for _, leaf := range tree.Leaves() {
			tree.LeavesBelow(leaf.Rev)
			tree.PathNodes(leaf.Rev)
		}
		tree.Missing([]Rev{{5, "a"}})
		if w, ok := tree.Winner(); ok && w.Gen < maxGen-1 {
			if _, err := tree.Merge([]Rev{{w.Gen + 1, "child"}, w.Rev}, false, []byte{}); err != nil {
				t.Fatal(err)
			}
		}
		tree.Stem(2)
		if _, err := Decode(tree.AppendBinary(nil)); err != nil {
			t.Fatalf("after a merge and stemming: %v", err)
		}
	})
}

// What a write does to a tree: 1000 is CouchDB's default limit, where each write also
// drops a revision.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			benchmarkWrite(b, chainOf(b, n))
		})
	}
	b.Run("1000 and a conflict", func(b *testing.B) {
		tree := chainOf(b, 999)
		if _, err := tree.Merge([]Rev{{500, "another"}, benchRev(499)}, false, make([]byte, 12)); err != nil {
			b.Fatal(err)
		}
		benchmarkWrite(b, tree)
	})
}

func benchmarkWrite(b *testing.B, tree Tree) {
	encoded := tree.AppendBinary(nil)
	winner, _ := tree.Winner()
	path := []Rev{benchRev(winner.Gen + 1), winner.Rev}
	data := make([]byte, 12)
	buf := make([]byte, 0, 2*len(encoded)+100)
	b.ReportAllocs()
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		t, err := Decode(encoded)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.Merge(path, false, data); err != nil {
			b.Fatal(err)
		}
		t.Stem(1000)
		buf = t.AppendBinary(buf[:0])
	}
}

func benchRev(gen uint64) Rev {
	return Rev{Gen: gen, ID: fmt.Sprintf("%016x", gen*0x9e3779b97f4a7c15)}
}

func chainOf(t testing.TB, n int) Tree {
	var tree Tree
	for gen := range uint64(n) {
		path := []Rev{benchRev(gen + 1)}
		if gen > 0 {
			path = append(path, benchRev(gen))
		}
		if _, err := tree.Merge(path, false, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func BenchmarkParse(b *testing.B) {
	text := "12-0123456789abcdef0123456789abcdef"
	b.ReportAllocs()
	for b.Loop() {
		r, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		runtime.KeepAlive(r)
	}
}
