package backup_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/storetest"
)

// A stream is cut behind a recorded answer, which is forgotten before the next one.
func TestAnswerForgottenAfterACut(t *testing.T) {
	w := newWorld(t, storetest.Engine(t), 1, store.Properties{})
	once := func(id string) {
		opt := store.WriteOptions{Once: &store.Once{Answer: func([]store.Result, error) []byte { return []byte("answer") }}}
		copy(opt.Once.Key[:], id)
		w.write(opt, id, revtree.Rev{}, `{}`, nil)
	}
	once("a")
	var b bytes.Buffer
	_, err := backup.Capture(t.Context(), w.db, &b, backup.Options{})
	w.must(err)
	var first []byte
	in := backup.NewReader(bytes.NewReader(b.Bytes()))
	for {
		i, err := in.Next()
		if err == io.EOF {
			t.Fatal("there is no answer in it")
		}
		w.must(err)
		first = append(first, i.Bytes()...)
		if e, err := i.Entry(); i.Kind == backup.KindEntry && err == nil && e.Space == 9 {
			break
		}
	}
	w.clock.ahead.Add(int64(48 * time.Hour))
	once("b")
	var second bytes.Buffer
	_, err = backup.Capture(t.Context(), w.db, &second, backup.Options{Since: in.Reached()})
	w.must(err)
	dst := storetest.On(t, storetest.Engine(t), store.Options{Clock: w.clock.now})
	if _, err := backup.Restore(t.Context(), dst, "copy", bytes.NewReader(append(first, second.Bytes()...)), backup.RestoreOptions{}); err != nil {
		t.Error(err)
	}
}
