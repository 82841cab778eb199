package mango

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// moving is a database whose documents move through an index while it is read. All match, and
// the ones with steady do not move.
type moving struct {
	w    *world
	db   *store.DB
	n    int
	move int // the next to move
}

func newMoving(t fataler, w *world, n int) *moving {
	m := &moving{w: w, db: w.create(t), n: n}
	putIndex(t, m.db, "n", `{"fields":["n"]}`)
	putIndex(t, m.db, "gn", `{"fields":["g","n"]}`)
	putIndex(t, m.db, "low", `{"fields":["low"]}`)
	putIndex(t, m.db, "high", `{"fields":["high"]}`)
	for i := range n {
		m.put(t, i, i)
	}
	return m
}

func (m *moving) steady(i int) bool { return i%3 == 0 }

// put places a document: it has low or high, or for some time both.
func (m *moving) put(t fataler, i, at int) {
	of := fmt.Sprintf(`"low":%d`, at)
	if at >= m.n {
		of = fmt.Sprintf(`"high":%d`, at)
	}
	put(t, m.db, fmt.Sprintf(`{"_id":"d%03d","n":%d,"g":%d,%s}`, i, at, at%2, of))
}

// step moves some documents far ahead or back, and has the indexes follow.
func (m *moving) step(t fataler, some []int) {
	for _, i := range some {
		if i %= m.n; !m.steady(i) {
			m.move++
			m.put(t, i, (i+m.move*m.n/2)%(2*m.n))
		}
	}
	seq, err := m.db.UpdateSeq(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	list, err := m.w.f.Indexes(context.Background(), m.db)
	if err != nil {
		t.Fatal(err)
	}
	for _, ix := range list[1:] {
		open, err := m.w.f.open(context.Background(), m.db, ix)
		if err != nil {
			t.Fatal(err)
		}
		if err := open.Wait(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		open.Release()
	}
}

var movingQueries = []string{
	`{"selector":{"n":{"$gte":0}},"sort":["n"]`, `{"selector":{"n":{"$gte":0}},"sort":[{"n":"desc"}]`,
	`{"selector":{"n":{"$gte":0}},"sort":["n"],"fields":["_id"]`,
	`{"selector":{"g":{"$in":[0,1]},"n":{"$gte":0}},"sort":["n"],"use_index":"gn"`,
	`{"selector":{"$or":[{"low":{"$gte":0}},{"high":{"$gte":0}}]}`,
	`{"selector":{"$or":[{"low":{"$gte":0}},{"high":{"$gte":0}}]},"sort":["g"]`,
}

// read reads pages; between is called between snapshots and between pages.
func (m *moving) read(t fataler, query string, page int, between func()) (ids []string) {
	bookmark := ""
	for {
		body := fmt.Sprintf(`%s,"limit":%d,"bookmark":%q}`, query, page, bookmark)
		q, err := ParseQuery([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := m.w.f.Plan(context.Background(), m.db, q)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		n := 0
		answer, err := m.w.f.Run(context.Background(), m.db, plan, func(d *Found) error {
			n++
			id := ""
			if d.of.doc != nil {
				id = d.of.doc.ID
			} else {
				id = string(d.of.row.id)
			}
			ids = append(ids, id)
			return nil
		}, func() error { between(); return nil })
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if n < page {
			return ids
		}
		bookmark = answer.Bookmark
		between()
	}
}

func (m *moving) check(t fataler, query string, ids []string) {
	slices.Sort(ids)
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			t.Fatalf("%s: %s came twice", query, ids[i])
		}
	}
	for i := range m.n {
		if _, found := slices.BinarySearch(ids, fmt.Sprintf("d%03d", i)); m.steady(i) && !found {
			t.Fatalf("%s: d%03d did not move and did not come", query, i)
		}
	}
}

// However documents move while an answer is read, page by page, none comes twice, and those
// that stay where they are come.
func TestMovingDocuments(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		m := newMoving(t, w, 24)
		defer m.db.Release()
		query := rapid.SampledFrom(movingQueries).Draw(t, "query")
		ids := m.read(t, query, rapid.IntRange(1, 9).Draw(t, "page"), func() {
			if rapid.IntRange(0, 3).Draw(t, "now") == 0 {
				m.step(t, rapid.SliceOfN(rapid.IntRange(0, 23), 1, 6).Draw(t, "some"))
			}
		})
		m.check(t, query, ids)
	})
}

// The same with writers that do not wait for anybody.
func TestMovingBeside(t *testing.T) {
	w := newWorld(t)
	for _, query := range movingQueries {
		m := newMoving(t, w, 300)
		defer m.db.Release()
		stop, done := make(chan struct{}), sync.WaitGroup{}
		done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if i %= m.n; !m.steady(i) {
					m.move++
					m.put(t, i, (i+m.move*m.n/2)%(2*m.n))
				}
			}
		})
		var read [][]string
		for _, page := range []int{40, 1000} {
			read = append(read, m.read(t, query, page, func() {}))
		}
		close(stop)
		done.Wait()
		for _, ids := range read {
			m.check(t, query, ids)
		}
	}
}

// A document that moves twice while the index follows in many batches is not missed: between two of
// them the index has it neither as it was nor as it is.
func TestMovedTwiceBetweenBatches(t *testing.T) {
	w := newWorldOf(t, index.Options{Batch: 2, Delay: time.Hour})
	m := newMoving(t, w, 30)
	defer m.db.Release()
	list, err := w.f.Indexes(t.Context(), m.db)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list, func(ix *Index) bool { return ix.Name == "n" })
	open, err := w.f.open(t.Context(), m.db, list[at])
	if err != nil {
		t.Fatal(err)
	}
	defer open.Release()
	reached := func() uint64 {
		info, err := open.Info(t.Context())
		if err != nil {
			t.Error(err)
		}
		return info.Seq
	}
	moved := false
	// Of the first 15 rows, half match: the answer goes on.
	ids := m.read(t, `{"selector":{"n":{"$gte":0},"g":1},"sort":["n"],"use_index":"n"`, 15, func() {
		if moved {
			return
		}
		moved = true
		m.put(t, 29, 41)
		for i := range 500 {
			put(t, m.db, fmt.Sprintf(`{"_id":"other%d"}`, i))
		}
		m.put(t, 29, 51)
		before := reached()
		seq, err := m.db.UpdateSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for open.Ask(seq); reached() == before; {
			runtime.Gosched()
		}
	})
	if slices.Sort(ids); len(ids) != 15 || ids[14] != "d029" {
		t.Errorf("%d documents: %q", len(ids), ids)
	}
}
