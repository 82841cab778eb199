package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

const reasonTest store.Reason = "a test"

// mortal opens a database whose tombstones end after a minute, with a clock.
func mortal(t testing.TB, eng engine.Engine) (store.Bare, *handClock) {
	t.Helper()
	clock := newHandClock()
	s := storetest.On(t, eng, store.Options{Clock: clock.now})
	db := storetest.Bare(t, s, "db")
	setLife(t, db, "1_min", "1_min")
	return db, clock
}

func setLife(t testing.TB, db store.Bare, ttl, grace string) {
	t.Helper()
	if err := db.SetLifetime(t.Context(), func(l *store.Lifetime) { l.TTL, l.Grace = ttl, grace }); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, db store.Bare, format string, args ...any) revtree.Rev {
	t.Helper()
	res, err := db.Put(t.Context(), store.Edit{Doc: parse(t, format, args...)}, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Rev
}

// bring writes a replicated revision: its path, newest first, as texts.
func bring(t testing.TB, db store.Bare, id, members string, path ...string) {
	t.Helper()
	doc := parse(t, `{"_id":%q%s}`, id, members)
	for _, p := range path {
		rev, err := revtree.Parse(p)
		if err != nil {
			t.Fatal(err)
		}
		doc.Path = append(doc.Path, rev)
	}
	if _, err := db.Put(t.Context(), store.Edit{Doc: doc}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
}

func expire(t testing.TB, db store.Bare) int {
	t.Helper()
	done, err := db.Expire(t.Context(), store.ExpireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done.Ended
}

func missing(t testing.TB, db store.Bare, id string, revs ...string) (out []string) {
	t.Helper()
	var list []revtree.Rev
	for _, r := range revs {
		rev, err := revtree.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rev)
	}
	err := db.RevsDiff(t.Context(), []string{id}, [][]revtree.Rev{list}, func(_ int, missing, _ []revtree.Rev) error {
		for _, m := range missing {
			out = append(out, m.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shownBy lists the feed's rows: id and winner.
func shownBy(t testing.TB, db store.Bare) (rows []string) {
	t.Helper()
	_, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1}, func(c *store.Change) error {
		rows = append(rows, fmt.Sprintf("%s %s %v", c.ID, c.Revs[0], c.Deleted))
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func dead(t testing.TB, db store.Bare) store.Dead {
	t.Helper()
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Dead
}

func revivals(t testing.TB, db store.Bare) (ids []string) {
	t.Helper()
	err := db.Revivals(t.Context(), func(r *store.Revival) error {
		ids = append(ids, fmt.Sprintf("%s %s", r.ID, r.Rev))
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// A tombstone that has ended is in no feed and no total. Questions about the document by its id get
// the same answers as if it were there.
func TestDeadDocumentIsKnown(t *testing.T) {
	t.Parallel()
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			db, clock := mortal(t, open(t))
			put(t, db, `{"_id":"other"}`)
			one := put(t, db, `{"_id":"a","v":1}`)
			two := put(t, db, `{"_id":"a","_rev":%q,"v":2}`, one)
			last := put(t, db, `{"_id":"a","_rev":%q,"_deleted":true}`, two)
			clock.forward(30 * time.Second)
			if n := expire(t, db); n != 0 {
				t.Fatalf("%d tombstones have ended too early", n)
			}
			clock.forward(31 * time.Second)
			if n := expire(t, db); n != 1 {
				t.Fatalf("%d tombstones have ended", n)
			}
			info, err := db.Info(t.Context())
			if err != nil || info.DocCount != 1 || info.DelCount != 0 || info.Dead.Count != 1 || info.Dead.Bytes > 80 {
				t.Errorf("%+v, %v", info, err)
			}
			if rows := shownBy(t, db); len(rows) != 1 {
				t.Errorf("the feed shows %q", rows)
			}
			if _, err := db.Get(t.Context(), "a", store.ReadOptions{}); !errors.Is(err, store.ErrDeleted) {
				t.Errorf("a read: %v", err)
			}
			d, err := db.Get(t.Context(), "a", store.ReadOptions{Rev: last, Revs: true})
			if err != nil || !d.Deleted || string(d.Body) != "{}" || !slices.Equal(d.Path, []revtree.Rev{last, two, one}) {
				t.Errorf("the tombstone: %+v, %v", d, err)
			}
			found, err := db.OpenRevs(t.Context(), "a", nil, store.ReadOptions{Revs: true})
			if err != nil || len(found) != 1 || found[0].Doc.Rev != last {
				t.Errorf("its leaves: %+v, %v", found, err)
			}
			if got := missing(t, db, "a", last.String()); got != nil {
				t.Errorf("missing: %q", got)
			}
			if rows := shownBy(t, db); len(rows) != 1 {
				t.Errorf("a peer that knows the tombstone brought it back: %q", rows)
			}
			bring(t, db, "a", `,"_deleted":true`, last.String(), two.String(), one.String())
			if dead(t, db).Count != 1 {
				t.Error("a peer brought back the tombstone that was known")
			}
			if got := missing(t, db, "a", "2-beef", two.String()); !slices.Equal(got, []string{"2-beef"}) {
				t.Errorf("missing: %q", got)
			}
			if rows := shownBy(t, db); !slices.Contains(rows, "a "+last.String()+" true") || dead(t, db).Count != 0 {
				t.Errorf("a peer that does not know the tombstone does not learn of it: %q", rows)
			}
			checkClean(t, t.Context(), db.Unguarded())
			clock.forward(2 * time.Minute)
			if n := expire(t, db); n != 1 {
				t.Fatalf("%d tombstones have ended again", n)
			}
			bring(t, db, "a", `,"v":2`, two.String(), one.String())
			if rows := shownBy(t, db); !slices.Contains(rows, "a "+last.String()+" true") {
				t.Errorf("an old revision was taken: %q", rows)
			}
			checkClean(t, t.Context(), db.Unguarded())
		})
	}
}

// An edit beside the deletion, or after it, is accepted. Its document has the same tree as if the
// tombstone were there. An edit from outside is reported.
func TestDeadDocumentLivesAgain(t *testing.T) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			db, clock := mortal(t, open(t))
			twin := storetest.Bare(t, storetest.Open(t, store.Options{}), "db") // where tombstones stay
			both := func(fn func(db store.Bare)) { fn(db); fn(twin) }
			for _, id := range []string{"beside", "after", "again", "elsewhere", "dead too"} {
				both(func(db store.Bare) {
					bring(t, db, id, ``, "2-bbbb", "1-aaaa")
					bring(t, db, id, `,"_deleted":true,"why":"x"`, "3-cccc", "2-bbbb", "1-aaaa")
					bring(t, db, id, `,"_deleted":true`, "2-dddd", "1-aaaa")
				})
			}
			clock.forward(2 * time.Minute)
			if n := expire(t, db); n != 5 {
				t.Fatalf("%d tombstones have ended", n)
			}
			both(func(db store.Bare) {
				bring(t, db, "beside", `,"v":1`, "3-eeee", "2-bbbb", "1-aaaa")
				bring(t, db, "after", `,"v":1`, "4-eeee", "3-cccc", "2-bbbb")
				bring(t, db, "elsewhere", `,"v":1`, "1-eeee")
				bring(t, db, "dead too", `,"_deleted":true`, "2-eeee", "1-aaaa")
				if rev := put(t, db, `{"_id":"again"}`); rev.Gen != 4 {
					t.Errorf("an interactive edit made %s", rev)
				}
			})
			if got, want := shownBy(t, db), shownBy(t, twin); !slices.Equal(got, want) {
				t.Errorf("the feed is\n%q, beside tombstones that stay\n%q", got, want)
			}
			for _, id := range []string{"beside", "after", "again", "elsewhere", "dead too"} {
				if got, want := leavesOf(t, db, id), leavesOf(t, twin, id); got != want {
					t.Errorf("%s: leaves are\n%s, beside tombstones that stay\n%s", id, got, want)
				}
			}
			if got, want := revivals(t, db), []string{"elsewhere 1-eeee", "after 4-eeee", "beside 3-eeee"}; !slices.Equal(got, want) {
				t.Errorf("revivals: %q, want %q", got, want)
			}
			checkClean(t, t.Context(), db.Unguarded())
		})
	}
}

// leavesOf are the leaves of a document with their paths.
func leavesOf(t testing.TB, db store.Bare, id string) string {
	t.Helper()
	found, err := db.OpenRevs(t.Context(), id, nil, store.ReadOptions{Revs: true, NoBody: true})
	if err != nil && !errors.Is(err, store.ErrMissing) {
		t.Fatal(err)
	}
	text := ""
	for _, f := range found {
		text += fmt.Sprintf("%v %v; ", f.Doc.Deleted, f.Doc.Path)
	}
	return text
}

// A purge forgets a dead document for good.
func TestDeadDocumentIsPurged(t *testing.T) {
	db, clock := mortal(t, storetest.Engine(t))
	bring(t, db, "a", `,"_deleted":true`, "2-bbbb", "1-aaaa")
	bring(t, db, "a", `,"_deleted":true`, "2-cccc", "1-aaaa")
	clock.forward(2 * time.Minute)
	expire(t, db)
	purge := func(rev string) {
		r, _ := revtree.Parse(rev)
		got, _, err := db.Purge(t.Context(), []string{"a"}, [][]revtree.Rev{{r}})
		if err != nil || len(got[0]) != 1 {
			t.Fatalf("purge of %s: %v, %v", rev, got, err)
		}
	}
	purge("2-bbbb")
	checkClean(t, t.Context(), db.Unguarded())
	if got := missing(t, db, "a", "2-bbbb", "2-cccc"); !slices.Equal(got, []string{"2-bbbb"}) {
		t.Errorf("missing: %q", got)
	}
	purge("2-cccc")
	checkClean(t, t.Context(), db.Unguarded())
	if got := missing(t, db, "a", "1-aaaa"); len(got) != 1 || dead(t, db).Count != 0 {
		t.Errorf("missing: %q, %+v", got, dead(t, db))
	}
}

// A tombstone that ends while a compaction has set out to stem it stays ended: nothing of it comes back into the database.
func TestEndsWhileItIsCompacted(t *testing.T) {
	var during func()
	e := chaos.New(chaos.Options{Alone: true, Scanning: func(s engine.Space, rg engine.Range) {
		if s == 2 && rg.From == nil && rg.To == nil && during != nil { // a snapshot is open here
			do := during
			during = nil
			over := make(chan struct{})
			go func() { defer close(over); do() }()
			<-over
		}
	}})
	clock := newHandClock()
	db := storetest.Bare(t, storetest.On(t, e, store.Options{Clock: clock.now}), "db")
	setLife(t, db, "1_min", "1_min")
	bring(t, db, "gone", `,"_deleted":true`, "3-c", "2-b", "1-a")
	put(t, db, `{"_id":"there"}`)
	if err := db.SetRevsLimit(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.forward(time.Hour)
	ended := 0
	during = func() { ended = expire(t, db) }
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended != 1 {
		t.Errorf("%d tombstones have ended", ended)
	}
	if info, err := db.Info(t.Context()); err != nil || info.DocCount != 1 || info.DelCount != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	checkIsClean(t, db.Unguarded())
}
