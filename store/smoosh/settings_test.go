package smoosh

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

func TestChannelSettings(t *testing.T) {
	const mb = 1 << 20
	ratio := Channel{Priority: Ratio, MinPriority: 2, MinSize: mb}
	with := func(change func(*Channel)) Channel { c := ratio; change(&c); return c }
	for _, test := range []struct {
		name       string
		c          Channel
		size, live int64
		want       float64
	}{
		{"ratio", ratio, 10 * mb, 2 * mb, 5},
		{"min_priority", ratio, 10 * mb, 5 * mb, 0},
		{"min_size", ratio, mb, 1, 0},
		{"all is garbage", ratio, 2 * mb, 0, 2 * mb},
		{"max_size", with(func(c *Channel) { c.MaxSize = 8 * mb }), 10 * mb, 2 * mb, 0},
		{"max_priority", with(func(c *Channel) { c.MaxPriority = 4 }), 10 * mb, 2 * mb, 0},
		{"slack", Channel{Priority: Slack, MinPriority: 3 * mb}, 10 * mb, 2 * mb, 8 * mb},
		{"too little slack", Channel{Priority: Slack, MinPriority: 8 * mb}, 10 * mb, 2 * mb, 0},
		{"upgrade", Channel{Priority: "upgrade"}, 10 * mb, 2 * mb, 0},
	} {
		if got := test.c.priority(test.size, test.live); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestChannelWindows(t *testing.T) {
	at := func(hour, minute int) time.Time {
		return time.Date(2000, 1, 1, hour, minute, 59, 0, time.FixedZone("", 3600)).Add(time.Hour)
	}
	day := func(hour, minute int) time.Duration {
		return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	}
	for _, test := range []struct { // as CouchDB's own test of windows
		from, to time.Duration
		want     bool
	}{
		{0, 0, true}, {day(2, 30), day(4, 30), true}, {day(3, 35), day(3, 50), false}, {day(1, 20), day(3, 29), false},
		{day(23, 30), day(3, 52), true}, {day(23, 30), day(3, 29), false}, {day(3, 30), day(3, 31), true}, {day(1, 0), day(3, 30), false},
	} {
		c := Channel{From: test.from, To: test.to}
		if got := c.open(at(3, 30)); got != test.want {
			t.Errorf("from %v to %v: %v at 3:30", test.from, test.to, got)
		}
	}
}

// A queue gives objects in the order of their priorities, and forgets the last ones when it is full.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var q queue
		want := map[object]float64{}
		capacity := 1 + random.IntN(20)
		for range 100 {
			o := object{db: string(rune('a' + random.IntN(26)))}
			switch random.IntN(6) {
			case 0:
				q.remove(o)
				delete(want, o)
			case 1:
				w, ok := q.take()
				for other, p := range want {
					if !ok || p > w.priority {
						t.Fatalf("%v comes before %v with %v", w, other, p)
					}
				}
				if ok {
					delete(want, w.object)
				}
			default:
				p := random.Float64()
				q.put(o, p, capacity)
				if want[o] = p; len(want) > capacity {
					least := o
					for other, p := range want {
						if p < want[least] {
							least = other
						}
					}
					delete(want, least)
				}
			}
			least, most := 0.0, 0.0
			if len(want) > 0 {
				all := make([]float64, 0, len(want))
				for _, p := range want {
					all = append(all, p)
				}
				least, most = slices.Min(all), slices.Max(all)
			}
			if a, b := q.bounds(); q.Len() != len(want) || a != least || b != most {
				t.Fatalf("%d from %v to %v, want %d from %v to %v", q.Len(), a, b, len(want), least, most)
			}
		}
	}
}

func TestChoresAreDue(t *testing.T) {
	c := Chore{Every: time.Hour, After: 24 * time.Hour}
	start := time.Unix(1e9, 0)
	for _, test := range []struct {
		name               string
		done, changed, now time.Duration
		want               bool
	}{
		{"never done", -1e9 * time.Second, 0, 0, true},
		{"changed since", 0, time.Minute, 2 * time.Hour, true},
		{"just done", 0, time.Minute, 30 * time.Minute, false},
		{"nothing new", 2 * time.Hour, time.Hour, 5 * time.Hour, false},
		{"a day later", 2 * time.Hour, time.Hour, 25 * time.Hour, true},
		{"and that was all", 25 * time.Hour, time.Hour, 1000 * time.Hour, false},
		{"done by a clock that was ahead", 1000 * time.Hour, time.Hour, 2 * time.Hour, true},
	} {
		if got := c.due(start.Add(test.done).Unix(), start.Add(test.changed), start.Add(test.now)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// What was looked at by a clock that was ahead is looked at again.
func TestLooksAgainAfterTheFuture(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	storetest.Bare(t, st, "db")
	s := New(Options{Store: st, Log: slog.New(slog.DiscardHandler)}, Settings{Enabled: true, Databases: []Channel{{Name: "all", Priority: Ratio}}})
	stat, err := st.Stat(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, looked := range []time.Time{{}, stat.Changed.Add(-time.Minute), now.AddDate(10, 0, 0)} {
		s.known = map[string]*known{"db": {Looked: looked.Unix(), Subs: stat.Subs}}
		if opens, err := s.remind(t.Context(), "db"); !opens || err != nil {
			t.Errorf("looked at %v: %v, %v", looked, opens, err)
		}
		if again := s.known["db"].Looked; again < now.Unix() || again > time.Now().Unix() {
			t.Errorf("looked at %v, and then at %v", looked, time.Unix(again, 0))
		}
	}
}

// Who reads is not held up by what nobody waits for.
func TestGivesWayToReaders(t *testing.T) {
	// Stores keep channels for the next write, and those that were made in a bubble may not be used outside: two
	// collections of garbage empty what is kept.
	defer func() {
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Open(t, store.Options{})
		storetest.Bare(t, st, "db")
		const rate = 1 << 20
		s := New(Options{Store: st, Log: slog.New(slog.DiscardHandler)}, Settings{Enabled: true, Rate: rate})
		copies := func() time.Duration {
			began := time.Now()
			if err := s.pace(t.Context(), 8*rate, func(*Settings) error { return nil }); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		time.Sleep(time.Minute) // since the database was made
		alone := copies()
		done := make(chan struct{})
		var reads sync.WaitGroup
		reads.Go(func() {
			for ; ; time.Sleep(usersPause / 2) {
				select {
				case <-done:
					return
				default:
				}
				db, err := st.Open(t.Context(), "db", func(context.Context, store.Opening) (*store.Guard, error) { return &store.Guard{}, nil })
				if err != nil {
					t.Error(err)
					return
				}
				db.Release()
			}
		})
		beside := copies()
		close(done)
		reads.Wait()
		if beside < busyShare*alone*3/4 || beside > busyShare*alone*5/4 {
			t.Errorf("%v beside a reader and %v alone, want %d times as long", beside, alone, busyShare)
		}
	})
}
