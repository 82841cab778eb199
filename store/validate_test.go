package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/storetest"
)

// judged is a guard that lets fn judge every document.
func judged(fn func(design uint64, new, old *store.Document) error) *store.Guard {
	return &store.Guard{Validator: func(_ context.Context, _ store.Bare, design uint64) (store.Validate, error) {
		return func(_ context.Context, new, old *store.Document) (refusal, err error) {
			return fn(design, new, old), nil
		}, nil
	}}
}

func TestWhatValidationSees(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	plain := storetest.DB(t, s, "db")
	first, _ := write(t, plain, revtree.Rev{}, `{"_id":"a","n":1}`)
	second, _ := write(t, plain, first, `{"_id":"a","n":2}`)
	gone, _ := write(t, plain, revtree.Rev{}, `{"_id":"gone","_deleted":true,"was":1}`)
	var saw []string
	db := storetest.DB(t, s, "db").Guarded(judged(func(_ uint64, new, old *store.Document) error {
		line := string(new.AppendJSON(nil, store.JSONOptions{})) + " over "
		if old == nil {
			line += "nothing"
		} else {
			line += string(old.AppendJSON(nil, store.JSONOptions{}))
		}
		saw = append(saw, line)
		return errRefused
	}))
	path := func(revs ...revtree.Rev) string {
		var ids []string
		for _, r := range revs {
			_, id, _ := strings.Cut(r.String(), "-")
			ids = append(ids, `"`+id+`"`)
		}
		return fmt.Sprintf(`"_revisions":{"start":%d,"ids":[%s]}`, revs[0].Gen, strings.Join(ids, ","))
	}
	other := "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	for _, c := range []struct {
		doc        string
		replicated bool
		want       string
	}{
		{`{"_id":"new","x":1}`, false, `{"_id":"new","x":1} over nothing`},
		{fmt.Sprintf(`{"_id":"a","_rev":"%s","n":3}`, second), false,
			fmt.Sprintf(`{"_id":"a","_rev":"%s","n":3,%s} over {"_id":"a","_rev":"%s","n":2,%s}`, second, path(second), second, path(second, first))},
		{`{"_id":"gone","back":true}`, false, fmt.Sprintf(`{"_id":"gone","back":true} over {"_id":"gone","_rev":"%s","was":1,"_deleted":true,%s}`, gone, path(gone))},
		{fmt.Sprintf(`{"_id":"a","_rev":"%s","_deleted":true}`, second), false,
			fmt.Sprintf(`{"_id":"a","_rev":"%s","_deleted":true,%s} over {"_id":"a","_rev":"%s","n":2,%s}`, second, path(second), second, path(second, first))},
		{fmt.Sprintf(`{"_id":"a","_rev":"2-%s","n":9}`, other), true, fmt.Sprintf(`{"_id":"a","_rev":"2-%s","n":9,"_revisions":{"start":2,"ids":["%s"]}} over nothing`, other, other)},
		{fmt.Sprintf(`{"_id":"a","_revisions":{"start":2,"ids":["%s","%s"]},"n":9}`, other, strings.Split(first.String(), "-")[1]), true,
			fmt.Sprintf(`{"_id":"a","_rev":"2-%s","n":9,"_revisions":{"start":2,"ids":["%s","%s"]}} over {"_id":"a","_rev":"%s","n":1,%s}`, other, other, strings.Split(first.String(), "-")[1], first, path(first))},
	} {
		saw = nil
		res, err := db.Write(t.Context(), []store.Edit{{Doc: parse(t, "%s", c.doc)}}, store.WriteOptions{Replicated: c.replicated})
		if err != nil || !errors.Is(res[0].Err, errRefused) {
			t.Errorf("%s: %v %v", c.doc, res, err)
		}
		if len(saw) != 1 || saw[0] != c.want {
			t.Errorf("%s\nsaw  %q\nwant %q", c.doc, saw, c.want)
		}
	}
	for _, c := range []struct {
		doc        string
		replicated bool
	}{{`{"_id":"_local/x"}`, false}, {`{"_id":"_design/x"}`, false}, {fmt.Sprintf(`{"_id":"a","_rev":"%s","n":2}`, second), true}} {
		saw = nil
		res, err := db.Write(t.Context(), []store.Edit{{Doc: parse(t, "%s", c.doc)}}, store.WriteOptions{Replicated: c.replicated})
		if err != nil || res[0].Err != nil || len(saw) != 0 {
			t.Errorf("%s, which nobody judges: %v %v, saw %q", c.doc, res, err, saw)
		}
	}
	res, err := db.Write(t.Context(), []store.Edit{{Doc: parse(t, `{"_id":"b"}`)}, {Doc: parse(t, `{"_id":"_design/y"}`)}}, store.WriteOptions{Atomic: true})
	if err != nil || !errors.Is(res[0].Err, errRefused) || !errors.Is(res[1].Err, store.ErrNotWritten) {
		t.Errorf("all or nothing: %v %v", res, err)
	}
}

// Many goroutines write at once while the design documents keep changing. Every accepted document
// was judged by the design documents and the revision before it.
func TestNothingSlipsThroughValidation(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	plain := storetest.DB(t, s, "db")
	type verdict struct {
		design uint64
		over   string
	}
	var mu sync.Mutex
	verdicts := map[string]verdict{} // the last one, by the document's content
	guard := judged(func(design uint64, new, old *store.Document) error {
		v := verdict{design: design}
		if old != nil {
			v.over = old.Rev.String()
		}
		mu.Lock()
		verdicts[string(new.Body)] = v
		mu.Unlock()
		return nil
	})
	const writers, rounds = 8, 60
	// Where each write and each change of a design document came in the feed.
	var designs []uint64
	written := map[string]uint64{}
	over := map[string]string{}
	var wg sync.WaitGroup
	done := make(chan struct{})
	var designer sync.WaitGroup
	designer.Go(func() {
		rev := revtree.Rev{}
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			rev, _ = write(t, plain, rev, `{"_id":"_design/d","n":%d}`, n)
			d, err := plain.Get(t.Context(), "_design/d", store.ReadOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			designs = append(designs, d.Seq)
			mu.Unlock()
		}
	})
	for i := range writers {
		wg.Go(func() {
			db, err := storetest.OpenDB(t.Context(), s, "db")
			if err != nil {
				t.Error(err)
				return
			}
			db = db.Guarded(guard)
			defer db.Release()
			for n := range rounds {
				opt := store.WriteOptions{Atomic: n%3 == 0}
				// One document that all of them write, delete and make again, and one for each of them.
				shared, own := fmt.Sprintf(`{"by":%d,"n":%d}`, i, n), fmt.Sprintf(`{"own":%d,"n":%d}`, i, n)
				doc := parse(t, `{"_id":"shared","_deleted":%t,%s`, n%2 == 1, shared[1:])
				if old, err := db.Get(t.Context(), "shared", store.ReadOptions{Deleted: true}); err == nil && !old.Deleted {
					doc.Rev, doc.HasRev = old.Rev, true
				}
				edits := []store.Edit{{Doc: doc}, {Doc: parse(t, `{"_id":"own-%d-%d",%s`, i, n, own[1:])}}
				res, err := db.Write(t.Context(), edits, opt)
				if err != nil {
					t.Error(err)
					return
				}
				for k, body := range []string{shared, own} {
					if res[k].Err != nil {
						continue
					}
					d, err := db.Get(t.Context(), edits[k].Doc.ID, store.ReadOptions{Rev: res[k].Rev, Revs: true})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if k == 1 { // others may have edited the shared one
						written[body] = d.Seq
					}
					if len(d.Path) > 1 {
						over[body] = d.Path[1].String()
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	close(done)
	designer.Wait()
	if len(written) == 0 || len(over) == 0 {
		t.Fatalf("%d and %d were written", len(written), len(over))
	}
	for body, seq := range written {
		v := verdicts[body]
		for _, d := range designs {
			if d > v.design && d < seq {
				t.Fatalf("%s is at %d and was judged by the design documents at %d, which changed at %d", body, seq, v.design, d)
			}
		}
	}
	for body, parent := range over {
		if v := verdicts[body]; v.over != parent {
			t.Errorf("%s replaces %s and was judged by %q", body, parent, v.over)
		}
	}
}

// A database whose design documents were written before their changes were recorded still uses
// them.
func TestDesignWithoutANote(t *testing.T) {
	eng := storetest.Engine(t)
	open := func() *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), eng, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	design := func(s *store.Store) uint64 {
		t.Helper()
		db, err := storetest.OpenDB(t.Context(), s, "db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Release()
		seq, err := db.DesignSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	s := open()
	db := storetest.DB(t, s, "db")
	write(t, db, revtree.Rev{}, `{"_id":"a"}`)
	if seq := design(s); seq != 0 {
		t.Errorf("without a design document: %d", seq)
	}
	write(t, db, revtree.Rev{}, `{"_id":"_design/d"}`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edb, err := eng.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	const meta = 1 // its number is on disk
	err = edb.Update(t.Context(), func(tx engine.Tx) error { return tx.Delete(meta, []byte("design")) })
	if err := errors.Join(err, edb.Close()); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	if seq := design(s); seq == 0 {
		t.Error("the design document is not heeded")
	}
}

// A handle that was opened before another process has changed the design documents neither refuses nor lets
// in by what they were, nor fails by it.
func TestJudgedByOthersDesign(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		if err := s[0].Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		refused := map[uint64]bool{} // by what sequence of the design documents
		says := func(design uint64) error {
			mu.Lock()
			defer mu.Unlock()
			if refused[design] {
				return errRefused
			}
			return nil
		}
		handle := must(t, s[1], "db").Guarded(judged(func(design uint64, _, _ *store.Document) error { return says(design) }))
		broken := must(t, s[1], "db").Guarded(&store.Guard{Validator: func(_ context.Context, _ store.Bare, design uint64) (store.Validate, error) {
			return func(context.Context, *store.Document, *store.Document) (refusal, err error) { return nil, says(design) }, nil
		}})
		owner := must(t, s[0], "db")
		rev := revtree.Rev{}
		for round := range 6 {
			var err error
			if rev, err = write(t, owner, rev, `{"_id":"_design/a","n":%d}`, round); err != nil {
				t.Fatal(err)
			}
			design, err := owner.DesignSeq(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			refused[design] = round%2 == 0
			mu.Unlock()
			var want error
			if round%2 == 0 {
				want = errRefused
			}
			for i := range 3 {
				to := handle
				if round >= 3 { // its functions do not refuse, they fail
					to = broken
				}
				if _, err := tryWrite(t, to, revtree.Rev{}, `{"_id":"%d-%d"}`, round, i); !errors.Is(err, want) {
					t.Errorf("round %d, write %d: %v, want %v", round, i, err, want)
				}
			}
		}
	})
}
