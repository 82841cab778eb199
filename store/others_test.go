package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// sharedEngines are those that several processes can use at once. Each call opens them for n processes.
var sharedEngines = map[string]func(t testing.TB, n int) []engine.Engine{
	"calm": func(_ testing.TB, n int) []engine.Engine {
		return slices.Repeat([]engine.Engine{chaos.New(chaos.Options{})}, n)
	},
	"chaos": func(_ testing.TB, n int) []engine.Engine {
		return slices.Repeat([]engine.Engine{chaos.New(chaos.Options{Seed: 3, Rerun: 0.3, Unknown: 0.04, DropNotices: 0.3})}, n)
	},
	"pg": func(t testing.TB, n int) []engine.Engine {
		all := make([]engine.Engine, n)
		url := pgtest.URL(t)
		for i := range all {
			all[i] = pgtest.Open(t, pg.Options{URL: url, Sequence: store.Sequence})
		}
		return all
	},
}

// eachShared runs a test with some stores on each engine that can be shared.
func eachShared(t *testing.T, n int, test func(t *testing.T, s []*store.Store)) {
	for name, open := range sharedEngines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, storetest.Several(t, open(t, n), store.Options{}))
		})
	}
}

// openFor opens a database as a request does.
func openFor(ctx context.Context, s *store.Store, name string) (*store.DB, error) {
	return s.Open(ctx, name, func(ctx context.Context, o store.Opening) (*store.Guard, error) {
		_, err := o.Security(ctx)
		return &store.Guard{}, err
	})
}

// must opens a database as a request does, until the test ends.
func must(t testing.TB, s *store.Store, name string) *store.DB {
	t.Helper()
	db, err := openFor(context.WithoutCancel(t.Context()), s, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Release)
	return db
}

// tryWrite is write for a database that may be gone.
func tryWrite(t *testing.T, db *store.DB, rev revtree.Rev, format string, args ...any) (revtree.Rev, error) {
	doc := parse(t, format, args...)
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	res, err := db.Write(context.WithoutCancel(t.Context()), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	if err != nil {
		return revtree.Rev{}, err
	}
	return res[0].Rev, res[0].Err
}

// A request gets the database that has the name now, whatever the clock does: it stands still between two requests where
// it is coarse, and may be set back.
func TestAnotherDatabaseAtTheSameTime(t *testing.T) {
	defer func() { // stores keep channels, and those of a bubble may not be used outside
		runtime.GC()
		runtime.GC()
	}()
	for _, back := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			eng := chaos.New(chaos.Options{})
			s := storetest.Several(t, []engine.Engine{eng, eng}, store.Options{})
			if err := s[0].Create(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			db, err := openFor(t.Context(), s[0], "db")
			if err != nil {
				t.Fatal(err)
			}
			before := db.Instance()
			store.SetBack(s[0], db, back)
			if back > 0 && (s[0].Writing(time.Minute) || s[0].Visited(time.Minute)) {
				t.Error("somebody has written in an hour that is still to come")
			}
			db.Release()
			if err := errors.Join(s[1].Drop(t.Context(), "db"), s[1].Create(t.Context(), "db")); err != nil {
				t.Fatal(err)
			}
			if db, err = openFor(t.Context(), s[0], "db"); err != nil {
				t.Fatal(err)
			}
			if db.Instance() == before {
				t.Errorf("set back by %v: the database that was dropped", back)
			}
			db.Release()
		})
	}
}

// soon waits until a channel is closed.
func soon(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s: nobody is told", what)
	}
}

// What one process has done is so for the other one's next request: databases that are made, dropped and
// made again under the same name, documents, security objects and limits.
func TestOthersAtOnce(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		ctx := t.Context()
		for round := range 10 {
			a, b := s[round%2], s[1-round%2]
			if _, err := openFor(ctx, b, "db"); !errors.Is(err, store.ErrNoDB) {
				t.Fatalf("round %d: before it is made: %v", round, err)
			}
			if err := a.Create(ctx, "db"); err != nil {
				t.Fatal(err)
			}
			if err := b.Create(ctx, "db"); !errors.Is(err, store.ErrDBExists) {
				t.Fatalf("made twice: %v", err)
			}
			for i := range 4 {
				from, to := must(t, s[i%2], "db"), s[(i+1)%2]
				rev, err := write(t, from, revtree.Rev{}, `{"_id":"d%d","n":%d}`, i, round)
				if err != nil {
					t.Fatal(err)
				}
				doc, err := must(t, to, "db").Get(ctx, fmt.Sprintf("d%d", i), store.ReadOptions{})
				if err != nil || doc.Rev != rev {
					t.Fatalf("round %d: the other process reads %v, %v, want %v", round, doc, err, rev)
				}
				security := fmt.Sprintf(`{"admins":{"names":["%d-%d"]}}`, round, i)
				if err := from.SetSecurity(ctx, []byte(security)); err != nil {
					t.Fatal(err)
				}
				var seen []byte
				db, err := to.Open(ctx, "db", func(ctx context.Context, o store.Opening) (_ *store.Guard, err error) {
					seen, err = o.Security(ctx)
					return &store.Guard{}, err
				})
				if err != nil || string(seen) != security {
					t.Fatalf("the other process lets in by %s, %v, want %s", seen, err, security)
				}
				if err := from.SetRevsLimit(ctx, 10+i); err != nil {
					t.Fatal(err)
				}
				if n, err := db.RevsLimit(ctx); n != 10+i || err != nil {
					t.Errorf("revs limit %d, %v", n, err)
				}
				db.Release()
			}
			if seq, err := must(t, a, "db").UpdateSeq(ctx); seq != 12 || err != nil {
				t.Fatalf("round %d: it is another database: sequence %d, %v", round, seq, err)
			}
			if err := b.Drop(ctx, "db"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Whoever waits for a database is told when another process drops it, whether or not there is another one
// of its name by then.
func TestOthersDrop(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprint(again), func(t *testing.T) {
			eachShared(t, 2, func(t *testing.T, s []*store.Store) {
				ctx := t.Context()
				if err := s[0].Create(ctx, "db"); err != nil {
					t.Fatal(err)
				}
				old := must(t, s[1], "db")
				news := old.Changed(0)
				if _, err := write(t, must(t, s[0], "db"), revtree.Rev{}, `{"_id":"a"}`); err != nil {
					t.Fatal(err)
				}
				soon(t, news, "a write by the other process")
				if err := s[0].Drop(ctx, "db"); err != nil {
					t.Fatal(err)
				}
				if again {
					if err := s[0].Create(ctx, "db"); err != nil {
						t.Fatal(err)
					}
				}
				soon(t, old.Gone(), "a drop by the other process")
				if why := old.WhyGone(); !errors.Is(why, store.ErrNoDB) {
					t.Errorf("it says that %v", why)
				}
				if _, err := old.UpdateSeq(ctx); !errors.Is(err, store.ErrNoDB) {
					t.Errorf("it is still read: %v", err)
				}
				if _, err := tryWrite(t, old, revtree.Rev{}, `{"_id":"b"}`); !errors.Is(err, store.ErrNoDB) {
					t.Errorf("it is still written: %v", err)
				}
				there, err := s[1].Exists(ctx, "db")
				if err != nil || there != again {
					t.Errorf("the other process finds it: %v, %v", there, err)
				}
			})
		})
	}
}

// A write through a handle that was opened before another process dropped the database is refused, also
// if nobody has noticed.
func TestOthersDropUnnoticed(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		ctx := t.Context()
		if err := s[0].Create(ctx, "db"); err != nil {
			t.Fatal(err)
		}
		old := must(t, s[1], "db")
		if err := errors.Join(s[0].Drop(ctx, "db"), s[0].Create(ctx, "db")); err != nil {
			t.Fatal(err)
		}
		if _, err := tryWrite(t, old, revtree.Rev{}, `{"_id":"b"}`); !errors.Is(err, store.ErrNoDB) {
			t.Errorf("it is written: %v", err)
		}
		soon(t, old.Gone(), "the handle")
		for _, one := range s {
			if _, err := must(t, one, "db").Get(ctx, "b", store.ReadOptions{}); !errors.Is(err, store.ErrMissing) {
				t.Errorf("the new database has it: %v", err)
			}
		}
		// Made again by the process that does not know of the drop yet.
		if err := errors.Join(s[0].Drop(ctx, "db"), s[1].Create(ctx, "db")); err != nil {
			t.Fatal(err)
		}
		if _, err := write(t, storetest.DB(t, s[1], "db"), revtree.Rev{}, `{"_id":"c"}`); err != nil {
			t.Errorf("the server's own work goes to the old one: %v", err)
		}
	})
}

// Of edits of one revision in two processes at once exactly one is accepted.
func TestOthersInLockstep(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		if err := s[0].Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		dbs := []*store.DB{must(t, s[0], "db"), must(t, s[1], "db")}
		var rev revtree.Rev
		for round := range 50 {
			var revs [2]revtree.Rev
			var errs [2]error
			var both sync.WaitGroup
			for i, db := range dbs {
				both.Go(func() { revs[i], errs[i] = tryWrite(t, db, rev, `{"_id":"doc","n":%d,"by":%d}`, round, i) })
			}
			both.Wait()
			won := 0
			if errs[0] != nil {
				won = 1
			}
			if errs[won] != nil || !errors.Is(errs[1-won], store.ErrConflict) {
				t.Fatalf("round %d: %v and %v", round, errs[0], errs[1])
			}
			rev = revs[won]
		}
	})
}

// If another process changes a validation function after an edit was judged, the edit is judged again.
func TestOthersChangeValidation(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		if err := s[0].Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		other := must(t, s[1], "db")
		if _, err := write(t, other, revtree.Rev{}, `{"_id":"_design/d","n":0}`); err != nil {
			t.Fatal(err)
		}
		times := 0
		db := must(t, s[0], "db").Guarded(judged(func(design uint64, _, _ *store.Document) error {
			times++
			if times > 1 {
				return errRefused
			}
			d, err := other.Get(t.Context(), "_design/d", store.ReadOptions{})
			if err == nil {
				_, err = write(t, other, d.Rev, `{"_id":"_design/d","n":1}`)
			}
			if err != nil {
				t.Error(err)
			}
			return nil
		}))
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"a"}`); !errors.Is(err, errRefused) || times != 2 {
			t.Errorf("judged %d times: %v", times, err)
		}
	})
}

// All processes say the same of a database's epoch and of the time since when it was not put back, before
// and after one of them begins an epoch.
func TestOthersRenewEpoch(t *testing.T) {
	eachShared(t, 3, func(t *testing.T, s []*store.Store) {
		if err := s[0].Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		same := func() (epoch string, opened time.Time) {
			for i, one := range s {
				db := must(t, one, "db")
				if i == 0 {
					epoch, opened = db.Epoch(), db.Opened()
				} else if db.Epoch() != epoch || !db.Opened().Equal(opened) {
					t.Errorf("process %d has %s of %v, not %s of %v", i, db.Epoch(), db.Opened(), epoch, opened)
				}
			}
			return epoch, opened
		}
		if _, err := write(t, must(t, s[1], "db"), revtree.Rev{}, `{"_id":"a"}`); err != nil {
			t.Fatal(err)
		}
		was, since := same()
		if err := must(t, s[1], "db").RenewEpoch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, then := same(); now == was || !then.After(since) {
			t.Errorf("another epoch is %s of %v, the one before was %s of %v", now, then, was, since)
		}
		for i, one := range s {
			rev, err := write(t, must(t, one, "db"), revtree.Rev{}, `{"_id":"b%d"}`, i)
			if err != nil || rev.IsZero() {
				t.Fatal(err)
			}
		}
		same()
		epochs, err := must(t, s[2], "db").Epochs(t.Context())
		if err != nil || len(epochs) != 1 {
			t.Errorf("there are epochs %v, %v", epochs, err)
		}
	})
}

// What is told of a drop is which database went: not the one that this process had open, if another process
// had dropped that and made a new one.
func TestDropTellsWhichDatabaseWent(t *testing.T) {
	eachShared(t, 2, func(t *testing.T, s []*store.Store) {
		ctx := t.Context()
		if err := s[0].Create(ctx, "db"); err != nil {
			t.Fatal(err)
		}
		must(t, s[0], "db")
		for _, step := range []func(context.Context, string) error{s[1].Drop, s[1].Create} {
			if err := step(ctx, "db"); err != nil {
				t.Fatal(err)
			}
		}
		made := ""
		if _, _, err := s[1].Reached(ctx, "", -1, func(_ string, at store.At) error { made = at.Of; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := s[0].Drop(ctx, "db"); err != nil {
			t.Fatal(err)
		}
		events, _, _ := s[0].Events().Since(0)
		if len(events) != 1 || events[0].Type != "deleted" || events[0].At.Of != made {
			t.Errorf("%+v, want that %s was deleted", events, made)
		}
	})
}
