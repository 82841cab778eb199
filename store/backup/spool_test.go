package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/tododb/tododb/store"
)

// Items of any size go through a spool and a reader as they are, also those that are larger than what
// either holds in memory.
func TestItemsOfAnySize(t *testing.T) {
	sizes := []int{1, bufferSize - 12, bufferSize - 9, bufferSize - 8, bufferSize, 3, spoolMemory, 2, spoolMemory/2 + 1, spoolMemory / 2, 5}
	r := rand.NewChaCha8([32]byte{})
	payloads := make([][]byte, len(sizes))
	for i, n := range sizes {
		payloads[i] = make([]byte, n)
		r.Read(payloads[i])
	}
	for _, asTheyAre := range []bool{true, false} {
		var stream bytes.Buffer
		w := NewWriter(&stream)
		if err := w.Begin(Header{Database: "db", Instance: "i", Epoch: "e"}); err != nil {
			t.Fatal(err)
		}
		s := spool{temp: newTempFile, items: w.items}
		for _, p := range payloads {
			if err := s.item(KindGone, p[:len(p)/3], p[len(p)/3:]); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if asTheyAre {
			err = s.copyTo(finished{w, &stream}, make([]byte, bufferSize))
			w.items = s.items
		} else {
			buf := make([]byte, 1000)
			err = s.drain(func(kind Kind, size int64, payload *bufio.Reader) error { return w.itemFrom(kind, size, payload, buf) })
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.End(End{Point: store.Point{Epoch: "e"}}); err != nil {
			t.Fatal(err)
		}
		in := NewReader(&stream)
		for i := -1; i <= len(payloads); i++ {
			item, err := in.Next()
			if err != nil {
				t.Fatal(i, err)
			}
			if i >= 0 && i < len(payloads) && (item.Kind != KindGone || !bytes.Equal(item.Payload, payloads[i])) {
				t.Error(fmt.Sprintf("as they are: %v, item %d", asTheyAre, i), item)
			}
		}
		if _, ended := in.End(); !ended {
			t.Error("there is no end")
		}
		if _, err := in.Next(); err != io.EOF {
			t.Error(err)
		}
	}
}

// A document that is taken in leaves no garbage: a stream has many of them.
func TestDocumentsLeaveNoGarbage(t *testing.T) {
	s := &spoolSink{}
	id, key, value := []byte("id"), make([]byte, bodyKeySize), make([]byte, 300)
	n := testing.AllocsPerRun(100, func() {
		if err := errors.Join(s.Body(key, value), s.Document(id, 5, value, value)); err != nil {
			t.Fatal(err)
		}
		s.reset()
	})
	if n > 0 {
		t.Errorf("a document takes %v allocations", n)
	}
}
