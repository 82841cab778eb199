package backup_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// fillWith writes documents, n of them.
func fillWith(t testing.TB, db store.Bare, n int) {
	t.Helper()
	edits := make([]store.Edit, n)
	for i := range edits {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"d%06d","n":%d,"text":"some words to have a body of usual length"}`, i*7919%1000003, i), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		edits[i].Doc = doc
	}
	results, err := db.Write(t.Context(), edits, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// Two writers that count in step: whatever state a stream ends with, it is one in which the second is
// never ahead of the first, and never more than one behind.
func TestStreamsAreStatesOfTheDatabase(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.Bare(t, s, "db")
	fillWith(t, db, 400)
	stop := make(chan struct{})
	var work sync.WaitGroup
	put := func(id string, n int, rev *store.Result) {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":%q,"n":%d}`, id, n), document.Options{})
		if err != nil {
			t.Error(err)
		}
		doc.Rev, doc.HasRev = rev.Rev, !rev.Rev.IsZero()
		if *rev, err = db.Put(t.Context(), store.Edit{Doc: doc}, store.WriteOptions{}); err != nil {
			t.Error(err)
		}
	}
	var first, second store.Result
	put("first", 0, &first)
	put("second", 0, &second)
	work.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			put("first", n, &first)
			put("second", n, &second)
		}
	})
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := db.Compact(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var all bytes.Buffer
	since := store.Point{}
	for round := range 6 {
		end, err := backup.Capture(t.Context(), db, &all, backup.Options{Since: since, Page: 20})
		if err != nil {
			t.Fatal(err)
		}
		since = end.Point
		name := fmt.Sprint("copy", round)
		if _, err := backup.Restore(t.Context(), s, name, bytes.NewReader(all.Bytes()), backup.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		copied := storetest.DB(t, s, name)
		var n [2]int
		for i, id := range []string{"first", "second"} {
			d, err := copied.Get(t.Context(), id, store.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscanf(string(d.Body), `{"n":%d}`, &n[i]); err != nil {
				t.Fatal(err)
			}
		}
		if behind := n[0] - n[1]; behind < 0 || behind > 1 {
			t.Errorf("first is at %d, second at %d: that never was so", n[0], n[1])
		}
		if err := copied.Check(t.Context(), func(problem string) { t.Errorf("check: %s", problem) }); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	work.Wait()
}

// FuzzReader: whatever comes, a reader ends with an error that says so, or has read streams that a
// restore judges; neither panics, and a restore that fails leaves nothing.
func FuzzReader(f *testing.F) {
	s := storetest.On(f, chaos.New(chaos.Options{}), store.Options{})
	db := storetest.Bare(f, s, "db")
	fillWith(f, db, 3)
	var whole bytes.Buffer
	if _, err := backup.Capture(f.Context(), db, &whole, backup.Options{}); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes(), uint(0), byte(0))
	f.Add(whole.Bytes(), uint(60), byte(255))
	f.Add([]byte("H\x00"), uint(0), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint, with byte) {
		// One payload is changed, and its checksum is made right.
		var out bytes.Buffer
		r, w := backup.NewReader(bytes.NewReader(b)), backup.NewWriter(&out)
		for n := uint(0); ; n++ {
			i, err := r.Next()
			if err != nil {
				break
			}
			if len(i.Payload) > 0 && n == at%16 {
				i.Payload[int(at)%len(i.Payload)] ^= with
			}
			if i.Kind == backup.KindHeader {
				err = w.Begin(r.Header())
			} else if e, ended := r.End(); ended {
				_, err = w.End(e)
			} else {
				err = w.Copy(i)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, in := range [][]byte{b, out.Bytes()} {
			_, err := backup.Restore(t.Context(), s, "copy", io.LimitReader(bytes.NewReader(in), 1<<20), backup.RestoreOptions{})
			there, failed := s.Exists(t.Context(), "copy")
			if failed != nil || there != (err == nil) {
				t.Fatalf("restored: %v, there: %v, %v", err, there, failed)
			}
			if there {
				copied := storetest.DB(t, s, "copy")
				if err := copied.Check(t.Context(), func(problem string) { t.Errorf("check: %s", problem) }); err != nil {
					t.Fatal(err)
				}
				if err := s.Drop(t.Context(), "copy"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
