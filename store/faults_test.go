package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// Each call of the engine fails in turn. Acknowledged writes are still there, refused ones are
// never half there, and the database is sound.
func TestEveryCallMayFail(t *testing.T) {
	t.Run("short ids", func(t *testing.T) {
		t.Parallel()
		everyCallFails(t, chaos.Options{}, "")
	})
	t.Run("long ids", func(t *testing.T) {
		t.Parallel()
		everyCallFails(t, chaos.Options{MaxKey: 80}, strings.Repeat("i", 130))
	})
}

func everyCallFails(t *testing.T, opt chaos.Options, begin string) {
	for n := 1; ; n++ {
		opt.FailCall = n
		e := chaos.New(opt)
		clock := newHandClock()
		s, err := store.Open(t.Context(), e, store.Options{Clock: clock.now})
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := faultyWork(t, s, clock, begin)
		over := e.Calls() < n
		e.Calm()
		verifyFaulty(t, s, faultyAt{n, begin}, acknowledged)
		if err := errors.Join(s.Close(), e.Close()); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		if over {
			if n < 50 {
				t.Errorf("only %d calls", n)
			}
			return
		}
	}
}

// faultyWork does a bit of everything, with ids that have this beginning. It returns the acknowledged
// revision of each document, or the zero one if the document was purged.
func faultyWork(t *testing.T, s *store.Store, clock *handClock, begin string) map[string]revtree.Rev {
	done := map[string]revtree.Rev{}
	if err := s.Create(t.Context(), "db"); err != nil {
		return done
	}
	db, err := storetest.OpenDB(t.Context(), s, "db")
	if err != nil {
		return done
	}
	defer db.Release()
	put := func(format string, args ...any) {
		doc := parse(t, format, args...)
		doc.Rev = done[doc.ID]
		doc.HasRev = !doc.Rev.IsZero()
		res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{})
		if err == nil && res[0].Err == nil {
			done[doc.ID] = res[0].Rev
		} else if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("write: %v", err)
		}
	}
	for i := range 3 {
		put(`{"_id":"%sd%d"}`, begin, i)
	}
	put(`{"_id":"%sd0","v":2}`, begin)
	put(`{"_id":"%sd1","_deleted":true}`, begin)
	if id := begin + "d2"; !done[id].IsZero() {
		if _, _, err := db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{done[id]}}); err == nil {
			done[id] = revtree.Rev{}
		} else {
			delete(done, id) // it may be there or not
		}
	}
	_ = db.SetSecurity(t.Context(), []byte(`{}`)) // only what it leaves behind matters
	_ = db.Compact(t.Context())
	once := store.WriteOptions{Atomic: true, Once: &store.Once{Answer: func([]store.Result, error) []byte { return []byte("{}") }}}
	res, err := db.Write(t.Context(), []store.Edit{{Doc: parse(t, `{"_id":"%sp0"}`, begin)}, {Doc: parse(t, `{"_id":"%sp1"}`, begin)}}, once)
	if err == nil {
		done[begin+"p0"], done[begin+"p1"] = res[0].Rev, res[1].Rev
	}
	put(`{"_id":"%sd3"}`, begin)
	first := done[begin+"d3"]
	put(`{"_id":"%sd3","_deleted":true}`, begin)
	_ = db.SetLifetime(t.Context(), func(l *store.Lifetime) { l.TTL = "1_sec" })
	clock.forward(time.Minute)
	if bare, err := s.Bare(t.Context(), "db", reasonTest); err == nil {
		_, _ = bare.Expire(t.Context(), store.ExpireOptions{})
		bare.Release()
	}
	if !first.IsZero() && first != done[begin+"d3"] { // its tombstone comes back
		_ = db.RevsDiff(t.Context(), []string{begin + "d3"}, [][]revtree.Rev{{first}}, func(int, []revtree.Rev, []revtree.Rev) error { return nil })
	}
	put(`{"_id":"%sd4"}`, begin)
	return done
}

// faultyAt says which call failed, and how the ids begin.
type faultyAt struct {
	n     int
	begin string
}

func verifyFaulty(t *testing.T, s *store.Store, at faultyAt, done map[string]revtree.Rev) {
	n := at.n
	db, err := storetest.OpenDB(t.Context(), s, "db")
	if errors.Is(err, store.ErrNoDB) && len(done) == 0 {
		return
	}
	if err != nil {
		t.Fatalf("call %d: %v", n, err)
	}
	defer db.Release()
	for id, rev := range done {
		d, err := db.Get(t.Context(), id, store.ReadOptions{Deleted: true})
		switch {
		case rev.IsZero() && !errors.Is(err, store.ErrMissing):
			t.Errorf("call %d: %s was purged and reads %v, %v", n, id, d, err)
		case !rev.IsZero() && (err != nil || d.Rev != rev):
			t.Errorf("call %d: %s reads %v, %v, acknowledged was %s", n, id, d, err, rev)
		}
	}
	// A pair written together with its answer is there completely or not at all.
	there := 0
	for _, id := range []string{at.begin + "p0", at.begin + "p1"} {
		if _, err := db.Get(t.Context(), id, store.ReadOptions{}); err == nil {
			there++
		}
	}
	answer, err := db.Repeated(t.Context(), [32]byte{})
	if err != nil || there == 1 || (there == 2) != (answer != nil) {
		t.Errorf("call %d: %d of two are there, their answer is %v, %v", n, there, answer, err)
	}
	err = db.Check(t.Context(), func(problem string) { t.Errorf("call %d: %s", n, problem) })
	if err != nil {
		t.Fatalf("call %d: %v", n, err)
	}
}
