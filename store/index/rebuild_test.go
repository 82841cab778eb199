package index_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/widetest"
)

// writeMany writes documents, or deletes them, in one batch of edits.
func writeMany(t testing.TB, db *store.DB, from, to, v int, deleted bool) {
	t.Helper()
	for ; from < to; from += 500 {
		edits := make([]store.Edit, min(500, to-from))
		for i := range edits {
			doc := &edits[i].Doc
			doc.ID, doc.Deleted = fmt.Sprintf("d%05d", from+i), deleted
			if doc.Body = []byte(`{}`); !deleted {
				doc.Body = fmt.Appendf(nil, `{"k":[%d,"%d"],"v":%d}`, from+i, (from+i)%300, v)
			}
			if d, err := db.Get(t.Context(), doc.ID, store.ReadOptions{NoBody: true}); err == nil {
				doc.Rev, doc.HasRev = d.Rev, true
			}
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Error(err)
			return
		}
	}
}

// batchSum is a sum that counts how often it is asked.
type batchSum struct {
	sum
	asked *atomic.Int64
}

func (s *batchSum) Take() (any, int) {
	n := s.n
	s.Reset()
	return n, 100
}

func (s *batchSum) AppendPartial(dst []byte) ([]byte, error) {
	s.asked.Add(1)
	return s.sum.AppendPartial(dst)
}

func (s *batchSum) Partials(all []any) (out [][]byte, err error) {
	s.asked.Add(1)
	for _, n := range all {
		out = append(out, strconv.AppendInt(nil, int64(n.(int)), 10))
	}
	return out, nil
}

func (s *batchSum) Results(all []any) (out []index.Reduced, err error) {
	partials, err := s.Partials(all)
	for _, p := range partials {
		out = append(out, index.Reduced{Value: p})
	}
	return out, err
}

// An index that followed changes has the same bytes as one built from the present documents. This
// holds with many pages of summaries, when neighbouring rows go at once, and with writers beside a
// first build.
func TestRebuildOfManyRows(t *testing.T) {
	widetest.Only(t)
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	w.m.SetBatches(3000, 20_000)
	db := w.create(t, "db")
	defer db.Release()
	const docs = 6000
	def := keysDefinition()
	def.Changes = false
	var asked atomic.Int64
	def.Views[2].NewReducer = func(context.Context) (index.Reducer, error) { return &batchSum{asked: &asked}, nil }
	again := 0
	check := func(when string) {
		t.Helper()
		w.open(t, db, def).Release()
		fresh := *def
		again++
		fresh.Signature = fmt.Sprint("again", again)
		asked.Store(0)
		w.open(t, db, &fresh).Release()
		if n := asked.Load(); n > 40 { // of some 800 segments
			t.Errorf("%s: a first build has asked %d times", when, n)
		}
		old, anew := dump(t, db, "keys"), dump(t, db, fresh.Signature)
		if !slices.Equal(old, anew) {
			at := 0
			for at < min(len(old), len(anew)) && old[at] == anew[at] {
				at++
			}
			t.Errorf("%s: followed %d records, built anew %d, the first %d alike", when, len(old), len(anew), at)
		}
	}
	writeMany(t, db, 0, docs, 1, false)
	var beside sync.WaitGroup
	beside.Go(func() {
		writeMany(t, db, docs/2, docs/2+500, 2, false)
		writeMany(t, db, docs, docs+700, 2, false)
		writeMany(t, db, 100, 400, 2, true)
	})
	w.open(t, db, def).Release()
	beside.Wait()
	check("with writers beside the first build")
	writeMany(t, db, 1000, 5500, 0, true)
	check("most are deleted")
	writeMany(t, db, 0, docs+700, 0, true)
	check("all are deleted")
	writeMany(t, db, 2000, 5000, 3, false)
	check("some are back")
}
