package smoosh_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/storetest"
)

// settings are those of a server, but that nothing is too small and nothing is slow.
func settings() smoosh.Settings {
	channel := func(name string, p smoosh.Priority, least float64) smoosh.Channel {
		return smoosh.Channel{Name: name, Priority: p, MinPriority: least, MinSize: 64 << 10, Concurrency: 1, Capacity: 100}
	}
	return smoosh.Settings{
		Enabled: true, Staleness: 5 * time.Minute,
		Databases: []smoosh.Channel{channel("ratio_dbs", smoosh.Ratio, 1.6), channel("slack_dbs", smoosh.Slack, 1<<29)},
		Views:     []smoosh.Channel{channel("ratio_views", smoosh.Ratio, 1.6)},
		Cleanups:  []smoosh.Channel{{Name: "index_cleanup", Concurrency: 1, Capacity: 100}},
	}
}

// start has a Smoosh work until the test ends.
func start(t *testing.T, st *store.Store, set smoosh.Settings, opt smoosh.Options) *smoosh.Smoosh {
	t.Helper()
	opt.Store, opt.Log = st, slog.New(slog.DiscardHandler)
	if opt.Gather == 0 {
		opt.Gather = 5 * time.Millisecond
	}
	if opt.Indexes == nil {
		opt.Indexes = index.NewManager(t.Context(), index.Options{Store: st})
		t.Cleanup(func() { opt.Indexes.Close() })
	}
	s := smoosh.New(opt, set)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return s
}

// soon waits until something is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// calm waits until nothing is to do.
func calm(t *testing.T, s *smoosh.Smoosh) {
	t.Helper()
	quiet := 0
	soon(t, "nothing to do", func() bool {
		if f := s.Figures(); f.Waiting+f.Running+f.Looking > 0 {
			quiet = 0
		} else {
			quiet++
		}
		return quiet > 3
	})
}

// grow makes a database whose file is mostly garbage.
func grow(t *testing.T, st *store.Store, name string, rounds int) store.Bare {
	t.Helper()
	db := storetest.Bare(t, st, name)
	churn(t, db, rounds)
	return db
}

// churn rewrites documents.
func churn(t *testing.T, db store.Bare, rounds int) {
	t.Helper()
	revs := map[string]string{}
	for round := range rounds {
		var edits []store.Edit
		for i := range 50 {
			id := fmt.Sprint(i)
			edits = append(edits, edit(`{"_id":%q%s,"round":%d,"text":%q}`, id, revs[id], round, fmt.Sprintf("%0900d", i*round)[:900]))
		}
		if round == 0 {
			if d, err := db.Get(t.Context(), "0", store.ReadOptions{}); err == nil {
				t.Fatalf("churn again: %v", d)
			}
		}
		results, err := db.Write(t.Context(), edits, store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			revs[r.ID] = fmt.Sprintf(`,"_rev":%q`, r.Rev)
		}
	}
}

// busily writes to a database of its own until it is stopped. It has begun when this returns. pause is the longest time
// between two writes so far.
func busily(t *testing.T, st *store.Store) (stop func(), pause func() time.Duration) {
	t.Helper()
	db := storetest.Bare(t, st, "busy")
	quit, begun := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var longest, last atomic.Int64 // ns, Unix
	wg.Go(func() {
		begin := sync.OnceFunc(func() { close(begun) })
		defer begin()
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
			}
			if _, err := db.Write(context.WithoutCancel(t.Context()), []store.Edit{edit(`{"_id":"%d"}`, i)}, store.WriteOptions{}); err != nil {
				t.Error(err)
				return
			}
			now := time.Now().UnixNano()
			if i > 0 {
				longest.Store(max(longest.Load(), now-last.Load()))
			}
			last.Store(now)
			begin()
		}
	})
	stop = sync.OnceFunc(func() { close(quit); wg.Wait() })
	t.Cleanup(stop)
	<-begun
	return stop, func() time.Duration { return time.Duration(max(longest.Load(), time.Now().UnixNano()-last.Load())) }
}

// What has changed is looked at when nobody writes for a moment.
func TestWaitsForAGap(t *testing.T) {
	set := settings()
	set.Wait = time.Hour // nor is anything begun
	for {
		st := storetest.Open(t, store.Options{})
		stop, pause := busily(t, st)
		s := start(t, st, set, smoosh.Options{})
		grow(t, st, "db", 40)
		soon(t, "something to look at", func() bool { return s.Figures().Looking > 0 })
		time.Sleep(200 * time.Millisecond)
		f := s.Figures()
		stood := pause() > 500*time.Millisecond // the machine has made a gap, or nearly
		stop()
		if stood {
			continue
		}
		if f.Looking == 0 || f.Waiting > 0 {
			t.Errorf("while somebody writes: %+v", f)
		}
		soon(t, "the look", func() bool { return s.Figures().Waiting == 1 })
		return
	}
}

// If somebody writes all the time, it is looked at all the same.
func TestWaitsForNoGap(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	set := settings()
	set.Wait = 50 * time.Millisecond
	s := start(t, st, set, smoosh.Options{})
	busily(t, st)
	grow(t, st, "db", 40)
	soon(t, "the compaction", func() bool { return s.Figures().Compactions > 0 })
}

func size(t *testing.T, st *store.Store, name string) int64 {
	t.Helper()
	stat, err := st.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Size
}

// What is garbage when a server starts is found, and what a later server remembers of it costs it nothing.
func TestStart(t *testing.T) {
	eng := storetest.Engine(t)
	state := filepath.Join(t.TempDir(), "state")
	open := func(work func(*store.Store)) {
		st, err := store.Open(t.Context(), eng, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		work(st)
	}
	open(func(st *store.Store) {
		for i := range 100 {
			if err := st.Create(t.Context(), fmt.Sprintf("small%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	var swept atomic.Int64
	run := func(set smoosh.Settings, look func(*store.Store, *smoosh.Smoosh)) {
		open(func(st *store.Store) {
			indexes := index.NewManager(t.Context(), index.Options{Store: st})
			defer indexes.Close()
			s := smoosh.New(smoosh.Options{
				Store: st, Indexes: indexes, Log: slog.New(slog.DiscardHandler), State: state, Gather: time.Millisecond,
				Chores: []smoosh.Chore{{Name: "sweep", Every: time.Hour, Run: func(context.Context, store.Bare) error { swept.Add(1); return nil }}},
			}, set)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { s.Run(ctx) })
			defer wg.Wait()
			defer cancel()
			look(st, s)
		})
	}
	off := settings()
	off.Enabled = false
	run(off, func(st *store.Store, s *smoosh.Smoosh) {
		db, err := st.Bare(t.Context(), "small0", "a test")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Release()
		churn(t, db, 40)
		soon(t, "chores", func() bool { return swept.Load() == 100 })
		calm(t, s)
		if f := s.Figures(); f.Compactions+f.Counted > 0 {
			t.Errorf("it is turned off, and yet %+v", f)
		}
	})
	swept.Store(0)
	run(settings(), func(st *store.Store, s *smoosh.Smoosh) {
		before := size(t, st, "small0")
		soon(t, "the compaction", func() bool { return s.Figures().Compactions == 1 })
		if after := size(t, st, "small0"); after > before/4 {
			t.Errorf("of %d bytes %d stay", before, after)
		}
		calm(t, s)
		if n := st.OpenDatabases(); n > 2 {
			t.Errorf("%d databases were opened", n)
		}
	})
	time.Sleep(1100 * time.Millisecond) // times of files and of looks are compared by the second
	run(settings(), func(st *store.Store, s *smoosh.Smoosh) {
		calm(t, s) // and this look is remembered
	})
	swept.Store(0)
	run(settings(), func(st *store.Store, s *smoosh.Smoosh) {
		calm(t, s)
		if f, n := s.Figures(), st.OpenDatabases(); f.Counted+f.Compactions+f.Chores+swept.Load() > 0 || n > 1 {
			t.Errorf("nothing has changed, and yet %+v with %d open databases", f, n)
		}
	})
}

// Without room for the copy nothing is begun, until there is.
func TestRoom(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	var free atomic.Int64
	s := start(t, st, settings(), smoosh.Options{Free: func() (int64, error) { return free.Load(), nil }, RetryAfter: 20 * time.Millisecond})
	grow(t, st, "db", 40)
	soon(t, "it is put off", func() bool { return s.Figures().Postponed > 1 })
	if f := s.Figures(); f.Compactions > 0 {
		t.Errorf("%+v", f)
	}
	free.Store(1 << 40)
	soon(t, "the compaction", func() bool { return s.Figures().Compactions > 0 })
}

// Compactions wait for the window of their channel, and end with it if it is strict. They end when all is
// turned off, and with the server; the database is as it was.
func TestStops(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	set := settings()
	window := func(open, strict bool) smoosh.Settings {
		now := time.Now().UTC()
		at := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute
		now2 := (at + 12*time.Hour) % (24 * time.Hour)
		set := set
		set.Databases = slices.Clone(set.Databases)
		for i := range set.Databases {
			set.Databases[i].From, set.Databases[i].To, set.Databases[i].Strict = now2, (now2+time.Hour)%(24*time.Hour), strict
			if open {
				set.Databases[i].From, set.Databases[i].To = 0, 0
			}
		}
		set.Rate = 200 << 10 // a compaction takes seconds
		return set
	}
	s := start(t, st, window(false, true), smoosh.Options{})
	db := grow(t, st, "db", 400)
	soon(t, "it waits", func() bool { return s.Status()["ratio_dbs"].Waiting == 1 })
	s.SetSettings(window(true, true))
	soon(t, "it runs", func() bool { tasks := s.Tasks(); return len(tasks) == 1 && tasks[0].Copied > 0 })
	if task := s.Tasks()[0]; task.DB != "db" || task.Channel != "ratio_dbs" || task.Total < task.Copied/4 {
		t.Errorf("%+v", task)
	}
	s.SetSettings(window(false, true))
	soon(t, "it waits again", func() bool { st := s.Status()["ratio_dbs"]; return st.Waiting == 1 && st.Active == 0 && st.Most > 0 })
	s.SetSettings(window(true, false))
	soon(t, "it runs again", func() bool { return s.Status()["ratio_dbs"].Active == 1 })
	off := set
	off.Enabled = false
	s.SetSettings(off)
	soon(t, "it is turned off", func() bool { f := s.Figures(); return f.Running+f.Waiting == 0 })
	if f := s.Figures(); f.Compactions+f.Failed > 0 {
		t.Errorf("%+v", f)
	}
	s.SetSettings(set)
	s.Built("db", "none") // an index that is not there
	soon(t, "it is compacted", func() bool { return s.Figures().Compactions == 1 })
	if err := db.Check(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

// A database that is left alone is not compacted; its own channels count.
func TestIgnoreAndOwnChannels(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	set := settings()
	set.Ignore = func(db string) bool { return db == "ignored" }
	set.Databases = []smoosh.Channel{
		{Name: "changes", Priority: smoosh.Ratio, MinPriority: 1.1, MinChanges: 1 << 40, Concurrency: 1, Capacity: 10},
	}
	s := start(t, st, set, smoosh.Options{})
	grow(t, st, "ignored", 40)
	grow(t, st, "db", 40)
	calm(t, s)
	if f := s.Figures(); f.Compactions > 0 {
		t.Errorf("too few changes, and yet %+v", f)
	}
	set.Databases = slices.Clone(set.Databases) // the others are still read
	set.Databases[0].MinChanges = 100
	s.SetSettings(set)
	s.Built("db", "none")
	if _, err := storetest.Bare(t, st, "db").Write(t.Context(), []store.Edit{edit(`{"_id":"x"}`)}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	soon(t, "it is compacted", func() bool { return s.Figures().Compactions > 0 })
	calm(t, s)
	if size(t, st, "ignored") < 2*size(t, st, "db") {
		t.Error("both were compacted")
	}
}

// What only a count finds, because it was there before the process, needs as many changes.
func TestCountedNeedsChanges(t *testing.T) {
	eng := storetest.Engine(t)
	st, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	db, err := st.Bare(t.Context(), "db", "a test")
	if err != nil {
		t.Fatal(err)
	}
	churn(t, db, 10)
	db.Release()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = store.Open(t.Context(), eng, store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	set := settings()
	set.Databases[0].MinChanges = 1000
	s := start(t, st, set, smoosh.Options{})
	soon(t, "it is counted", func() bool { return s.Figures().Counted > 0 })
	calm(t, s)
	if f := s.Figures(); f.Compactions > 0 {
		t.Errorf("after 500 changes of 1000, %+v", f)
	}
	enough := settings()
	enough.Databases[0].MinChanges = 100
	s.SetSettings(enough)
	s.Built("db", "none") // an index that is not there
	if _, err := storetest.Bare(t, st, "db").Write(t.Context(), []store.Edit{edit(`{"_id":"x"}`)}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	soon(t, "it is compacted", func() bool { return s.Figures().Compactions > 0 })
}

// An index whose rows have changed is compacted; an index that nobody asks for is removed.
func TestIndexes(t *testing.T) {
	st := storetest.Open(t, store.Options{})
	var s *smoosh.Smoosh
	indexes := index.NewManager(t.Context(), index.Options{Store: st, Built: func(db, signature string) { s.Built(db, signature) }})
	t.Cleanup(func() { indexes.Close() })
	var wanted atomic.Bool
	wanted.Store(true)
	set := settings()
	set.Databases = nil
	s = start(t, st, set, smoosh.Options{Indexes: indexes, CleanAfter: 20 * time.Millisecond, Clean: func(ctx context.Context, db store.Bare) (bool, error) {
		return false, indexes.Cleanup(ctx, db.Unguarded(), func(string) bool { return wanted.Load() })
	}})
	db := storetest.Bare(t, st, "db")
	ix, err := indexes.Open(t.Context(), db.Unguarded(), &index.Definition{
		Signature: "abc", Label: "_design/d", Views: []index.View{{}},
		NewMapper: func() (index.Mapper, error) { return mapper{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	revs := make([]revtree.Rev, 300)
	for round := range 6 {
		for i := range revs {
			rev := ""
			if round > 0 {
				rev = fmt.Sprintf(`"_rev":%q,`, revs[i])
			}
			deleted := round == 5 && i > 10
			results, err := db.Write(t.Context(), []store.Edit{edit(`{"_id":"%d",%s"_deleted":%v,"round":%d}`, i, rev, deleted, round)}, store.WriteOptions{})
			if err != nil || results[0].Err != nil {
				t.Fatal(err, results)
			}
			revs[i] = results[0].Rev
		}
		seq, err := db.UpdateSeq(t.Context())
		if err == nil {
			err = ix.Wait(t.Context(), seq)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	soon(t, "the index is compacted", func() bool {
		info, err := ix.Info(t.Context())
		return err == nil && s.Figures().Compactions > 0 && info.File < 200<<10
	})
	if info, err := ix.Info(t.Context()); err != nil || info.Rows[0] != 11 {
		t.Errorf("%+v, %v", info, err)
	}
	wanted.Store(false)
	_, err = db.Write(t.Context(), []store.Edit{edit(`{"_id":"_design/d"}`)}, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "a clean-up", func() bool { return s.Figures().Cleaned > 0 })
	if there, err := indexes.Signatures(t.Context(), db.Unguarded()); err != nil || len(there) != 1 {
		t.Errorf("an index that is in use: %v, %v", there, err)
	}
}

// mapper makes one row of each document.
type mapper struct{}

func (mapper) Map(_ context.Context, d *store.Document, emit func(view int, key, value []byte) error) error {
	return emit(0, fmt.Appendf(nil, "%q", d.ID), fmt.Appendf(nil, `"%0900d"`, d.Seq))
}
func (mapper) Close() {}
