package store_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// handClock is a clock that a test sets.
type handClock struct{ nanos atomic.Int64 }

func newHandClock() *handClock {
	c := &handClock{}
	c.set(time.Date(2024, 2, 29, 23, 59, 30, 0, time.UTC))
	return c
}

func (c *handClock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *handClock) set(t time.Time)         { c.nanos.Store(t.UnixNano()) }
func (c *handClock) forward(d time.Duration) { c.nanos.Add(int64(d)) }

// A reader that remembers only the last time it got misses no change, whatever the clock does,
// even over compactions, purges and restarts. Times of changes never fall. A time between two
// changes gives the later ones, and at most one second more.
func TestReadersByTimeMissNothing(t *testing.T) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			eng := open(t)
			defer eng.Close()
			n := 0
			rapid.Check(t, func(rt *rapid.T) {
				n++
				timeModel(t, rt, eng, fmt.Sprintf("db%d", n))
			})
		})
	}
}

type timeModelState struct {
	t     *testing.T
	rt    *rapid.T
	eng   engine.Engine
	name  string
	clock *handClock
	s     *store.Store
	db    *store.DB
	revs  map[string]revtree.Rev // of the documents as they are
	seen  map[string]revtree.Rev // as the reader by time knows them
	since time.Time              // the last time it got
}

func timeModel(t *testing.T, rt *rapid.T, eng engine.Engine, name string) {
	m := &timeModelState{t: t, rt: rt, eng: eng, name: name, clock: newHandClock(), revs: map[string]revtree.Rev{}, seen: map[string]revtree.Rev{}}
	m.open()
	defer func() { m.close() }()
	rt.Repeat(map[string]func(*rapid.T){
		"write": func(rt *rapid.T) {
			id := fmt.Sprintf("d%d", rapid.IntRange(0, 9).Draw(rt, "doc"))
			rev, err := write(t, m.db, m.revs[id], `{"_id":%q,"n":%d}`, id, m.clock.now().UnixNano())
			if err != nil {
				rt.Fatal(err)
			}
			m.revs[id] = rev
			m.clock.forward(time.Nanosecond)
		},
		"purge": func(rt *rapid.T) {
			id := fmt.Sprintf("d%d", rapid.IntRange(0, 9).Draw(rt, "doc"))
			if rev, ok := m.revs[id]; ok {
				if _, _, err := m.db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{rev}}); err != nil {
					rt.Fatal(err)
				}
				delete(m.revs, id)
				delete(m.seen, id)
			}
		},
		"forward": func(rt *rapid.T) {
			m.clock.forward(time.Duration(rapid.SampledFrom([]int{1, 300, 1000, 5000, 90_000, 5_000_000, 900_000_000}).Draw(rt, "ms")) * time.Millisecond)
		},
		"back": func(rt *rapid.T) {
			m.clock.forward(-time.Duration(rapid.SampledFrom([]int{1, 2000, 100_000, 100_000_000}).Draw(rt, "ms")) * time.Millisecond)
		},
		"compact": func(rt *rapid.T) {
			if err := m.db.Compact(t.Context()); err != nil {
				rt.Fatal(err)
			}
		},
		"restart": func(*rapid.T) { m.close(); m.open() },
		"poll":    func(rt *rapid.T) { m.poll(rt) },
		"times":   func(rt *rapid.T) { m.times(rt) },
	})
	m.poll(rt)
	if err := m.db.Check(t.Context(), func(problem string) { rt.Error(problem) }); err != nil {
		rt.Fatal(err)
	}
}

func (m *timeModelState) open() {
	s, err := store.Open(m.t.Context(), m.eng, store.Options{Clock: m.clock.now})
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
	m.db, err = storetest.OpenDB(m.t.Context(), s, m.name)
	if errors.Is(err, store.ErrNoDB) {
		if err = s.Create(m.t.Context(), m.name); err == nil {
			m.db, err = storetest.OpenDB(m.t.Context(), s, m.name)
		}
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *timeModelState) close() {
	m.db.Release()
	if err := m.s.Close(); err != nil {
		m.t.Error(err)
	}
}

// poll reads the changes since the reader's last time, and compares the result with the
// documents.
func (m *timeModelState) poll(rt *rapid.T) {
	since, err := m.db.SinceTime(m.t.Context(), m.since)
	if err != nil {
		rt.Fatal(err)
	}
	info, err := m.db.Info(m.t.Context())
	if err != nil {
		rt.Fatal(err)
	}
	if info.Modified.Before(m.since) {
		rt.Fatalf("modified at %s after %s", info.Modified, m.since)
	}
	m.since = info.Modified
	_, err = m.db.Changes(m.t.Context(), store.ChangesQuery{Since: since, To: info.UpdateSeq, Limit: -1}, func(c *store.Change) error {
		m.seen[string(c.ID)] = c.Revs[0]
		return nil
	}, func() error { return nil })
	if err != nil {
		rt.Fatal(err)
	}
	for id, rev := range m.revs {
		if m.seen[id] != rev {
			rt.Fatalf("%s is at %s, the reader saw %s", id, rev, m.seen[id])
		}
	}
}

// times reads all rows with their times, and looks each time up again.
func (m *timeModelState) times(rt *rapid.T) {
	descending := rapid.Bool().Draw(rt, "descending")
	type row struct {
		seq  uint64
		time time.Time
	}
	var rows []row
	_, err := m.db.Changes(m.t.Context(), store.ChangesQuery{Descending: descending, Times: true, Limit: -1}, func(c *store.Change) error {
		rows = append(rows, row{c.Seq, c.Time})
		return nil
	}, func() error { return nil })
	if err != nil {
		rt.Fatal(err)
	}
	for i, r := range rows {
		if r.time.IsZero() {
			rt.Fatalf("the change at %d has no time", r.seq)
		}
		if i > 0 && r.time.Before(rows[i-1].time) != descending && !r.time.Equal(rows[i-1].time) {
			rt.Fatalf("sequence %d has time %s, %d has %s", r.seq, r.time, rows[i-1].seq, rows[i-1].time)
		}
		since, err := m.db.SinceTime(m.t.Context(), r.time)
		if err != nil {
			rt.Fatal(err)
		}
		if since >= r.seq {
			rt.Fatalf("the change at %d of %s is not among those since then: they begin after %d", r.seq, r.time, since)
		}
		for _, other := range rows {
			if other.seq > since && other.time.Before(r.time) {
				rt.Fatalf("among the changes since %s is the one of %s", r.time, other.time)
			}
		}
	}
}

// A time to the second is found among many, and asking for a time after the newest
// change gives nothing.
func TestSinceTime(t *testing.T) {
	c := newHandClock()
	s := storetest.Open(t, store.Options{Clock: c.now})
	db := storetest.DB(t, s, "db")
	began := c.now()
	for i := range 300 {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"d%d"}`, i); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			c.forward(2 * time.Second)
		}
	}
	for at, want := range map[time.Duration]uint64{
		-time.Hour: 0, 0: 0, time.Second: 3, 2 * time.Second: 3, 3*time.Second + time.Millisecond: 6,
		100 * time.Second: 150, 197 * time.Second: 297, 198 * time.Second: 297, 199 * time.Second: 300, time.Hour: 300,
	} {
		got, err := db.SinceTime(t.Context(), began.Add(at))
		if err != nil || got != want {
			t.Errorf("since %s: after %d, %v, want %d", at, got, err, want)
		}
	}
	// A year later the minutes are merged, and still nothing is missed.
	c.forward(365 * 24 * time.Hour)
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]uint64{-time.Hour: 0, 0: 0, 100 * time.Second: 45, time.Hour: 300} {
		got, err := db.SinceTime(t.Context(), began.Add(at))
		if err != nil || got != want {
			t.Errorf("a year later, since %s: after %d, %v, want %d", at, got, err, want)
		}
	}
}

// A database from before times were kept opens and answers: its changes have no known time, and
// a reader that asks by time gets them.
func TestDatabaseWithoutTimes(t *testing.T) {
	eng := chaos.New(chaos.Options{})
	defer eng.Close()
	c := newHandClock()
	open := func() (*store.Store, *store.DB) {
		s, err := store.Open(t.Context(), eng, store.Options{Clock: c.now})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), "db"); err != nil && !errors.Is(err, store.ErrDBExists) {
			t.Fatal(err)
		}
		db, err := storetest.OpenDB(t.Context(), s, "db")
		if err != nil {
			t.Fatal(err)
		}
		return s, db
	}
	s, db := open()
	made := c.now()
	for i := range 3 {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"old%d"}`, i); err != nil {
			t.Fatal(err)
		}
	}
	db.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := eng.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	const spaceTime = 8
	if err := raw.Update(t.Context(), func(tx engine.Tx) error { return tx.DeleteRange(spaceTime, nil, nil) }); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}

	c.forward(time.Hour)
	s, db = open()
	defer s.Close()
	defer db.Release()
	since := func(at time.Time) uint64 {
		n, err := db.SinceTime(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	info, err := db.Info(t.Context())
	if err != nil || !info.Modified.Equal(made) {
		t.Errorf("modified at %s, %v, it was made at %s", info.Modified, err, made)
	}
	if n := since(c.now()); n != 0 {
		t.Errorf("what came since now begins after %d", n)
	}
	if _, err := write(t, db, revtree.Rev{}, `{"_id":"new"}`); err != nil {
		t.Fatal(err)
	}
	if n := since(c.now()); n != 3 {
		t.Errorf("the new change is after %d, want 3", n)
	}
	if n := since(c.now().Add(-time.Second)); n != 0 {
		t.Errorf("what came since before the new change begins after %d", n)
	}
	known := ""
	_, err = db.Changes(t.Context(), store.ChangesQuery{Times: true, Limit: -1}, func(c *store.Change) error {
		known += fmt.Sprintf("%s %t ", c.ID, !c.Time.IsZero())
		return nil
	}, func() error { return nil })
	if want := "old0 false old1 false old2 false new true "; err != nil || known != want {
		t.Errorf("times are known: %s, %v", known, err)
	}
	checkClean(t, t.Context(), db)
}
