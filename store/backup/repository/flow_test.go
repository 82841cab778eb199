package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// What is written arrives whole, in order, with its sum, whatever its pieces are.
func TestFlow(t *testing.T) {
	for _, size := range []int{0, 1, relaySize - 1, relaySize, relaySize + 1, 9*relaySize + 17} {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		content := make([]byte, size)
		rand.NewChaCha8([32]byte{}).Read(content)
		w, r := newFlow(f), rand.New(rand.NewPCG(1, uint64(size)))
		for rest := content; len(rest) > 0; {
			piece := rest[:min(len(rest), 1+r.IntN(relaySize*3/2))]
			if n, err := w.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			rest = rest[len(piece):]
		}
		if err := w.end(true); err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256(content)
		got, err := os.ReadFile(f.Name())
		if err != nil || string(got) != string(content) || w.size != int64(size) || w.sum() != hex.EncodeToString(want[:]) {
			t.Errorf("%d bytes: there are %d, counted %d, %v", size, len(got), w.size, err)
		}
	}
}

// A file that takes nothing more is told to who writes, and in the end.
func TestFlowFails(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	w := newFlow(f)
	piece := make([]byte, relaySize)
	for n := 0; err == nil; n++ {
		if n > 100 {
			t.Fatal("nobody is told")
		}
		_, err = w.Write(piece)
	}
	if err := w.end(true); err == nil {
		t.Error("the end says nothing")
	}
}
