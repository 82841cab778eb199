package updates_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/updates"
)

// process is a server's store with its log, which may end in two ways.
type process struct {
	store *store.Store
	log   *updates.Log
}

func start(t testing.TB, e engine.Engine, opt updates.Options) *process {
	t.Helper()
	s, err := store.Open(t.Context(), e, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opt.Store = s
	return &process{s, updates.Open(t.Context(), opt)}
}

func (p *process) end(t testing.TB) {
	t.Helper()
	if err := errors.Join(p.log.Close(), p.store.Close()); err != nil {
		t.Error(err)
	}
}

// kill ends the process without a word: the store goes first.
func (p *process) kill() {
	p.store.Close()
	p.log.Close()
}

func (p *process) write(t testing.TB, name string) {
	t.Helper()
	if err := p.tryWrite(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func (p *process) tryWrite(ctx context.Context, name string) error {
	db, err := storetest.OpenDB(ctx, p.store, name)
	if err != nil {
		return err
	}
	defer db.Release()
	doc, err := document.Parse([]byte(`{}`), document.Options{})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = fmt.Sprintf("%x", rand.Uint64()), true
	_, err = db.Write(context.WithoutCancel(ctx), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	return err
}

// since reads the events after a place, sorted by name, and the place after them.
func (p *process) since(t testing.TB, place string) (events, next string) {
	t.Helper()
	events, next, err := p.trySince(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	return events, next
}

func (p *process) trySince(ctx context.Context, place string) (events, next string, err error) {
	r, err := p.log.Read(ctx)
	if err != nil {
		return "", "", err
	}
	defer r.Close()
	at, err := r.Place(ctx, place)
	if err != nil {
		return "", "", err
	}
	var all []string
	before := at
	end, err := r.Since(ctx, at, -1, func(ev *updates.Event) error {
		if ev.Seq.N <= before {
			return fmt.Errorf("%v comes after %d", ev, before)
		}
		before = ev.Seq.N
		all = append(all, ev.DB+" "+ev.Type)
		return nil
	}, func() error { return nil })
	slices.Sort(all)
	return strings.Join(all, ", "), r.Seq(end).String(), err
}

func wants(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// What happened before a restart is not told again, and what a killed process had not noted is.
func TestRestart(t *testing.T) {
	for name, killed := range map[string]bool{"ended": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := storetest.Engine(t)
			p := start(t, e, updates.Options{Late: time.Hour})
			ctx := t.Context()
			for _, name := range []string{"a", "b", "c", "d"} {
				if err := p.store.Create(ctx, name); err != nil {
					t.Fatal(err)
				}
			}
			p.write(t, "b")
			all, place := p.since(t, "0")
			wants(t, "at first", all, "a created, b updated, c created, d created")
			p.end(t)

			p = start(t, e, updates.Options{Late: time.Hour})
			all, next := p.since(t, place)
			wants(t, "after a restart", all, "")
			wants(t, "and the place", next, place)
			all, _ = p.since(t, "0")
			wants(t, "from the start", all, "a created, b updated, c created, d created")
			// The log has just noted, so it does not do so by itself again.
			p.write(t, "c")
			if err := errors.Join(p.store.Drop(ctx, "a"), p.store.Create(ctx, "e")); err != nil {
				t.Fatal(err)
			}
			if killed {
				p.kill()
			} else {
				p.end(t)
			}

			p = start(t, e, updates.Options{})
			all, place = p.since(t, place)
			wants(t, "what was not noted", all, "a deleted, c updated, e created")
			p.end(t)
			p = start(t, e, updates.Options{})
			all, _ = p.since(t, place)
			wants(t, "after another restart", all, "")
			p.end(t)
		})
	}
}

// A database that was there before anything was noted is told of, and one that somebody has changed while
// no process ran.
func TestOfflineChanges(t *testing.T) {
	e := storetest.Engine(t)
	s := storetest.On(t, e, store.Options{})
	for _, name := range []string{"a", "b"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, e, updates.Options{})
	all, place := p.since(t, "0")
	wants(t, "what was there", all, "a updated, b updated")
	p.end(t)
	(&process{store: s}).write(t, "b")
	p = start(t, e, updates.Options{})
	all, _ = p.since(t, place)
	wants(t, "what was changed", all, "b updated")
	p.end(t)
}

// What happened after the clock had been set back is told of, though what was noted last was noted at a later time.
func TestNotedByAClockThatWasAhead(t *testing.T) {
	e := storetest.Engine(t)
	s := storetest.On(t, e, store.Options{})
	p := start(t, e, updates.Options{})
	for _, name := range []string{"a", "b"} {
		if err := p.store.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	_, place := p.since(t, "0")
	p.end(t)
	notes, err := s.Bare(t.Context(), store.UpdatesDB, store.ForUpdates)
	if err != nil {
		t.Fatal(err)
	}
	err = notes.UpdateLocal(t.Context(), "_local/mark", func([]byte) ([]byte, error) {
		return fmt.Appendf(nil, `{"noted":%q}`, time.Now().AddDate(1, 0, 0).Format(time.RFC3339Nano)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	notes.Release()
	(&process{store: s}).write(t, "b") // and the process was killed before it noted that
	p = start(t, e, updates.Options{})
	all, _ := p.since(t, place)
	wants(t, "what was not noted", all, "b updated")
	p.end(t)
}

// The notes do not grow with the number of events, and pass every check.
func TestNotesStaySmall(t *testing.T) {
	e := storetest.Engine(t)
	p := start(t, e, updates.Options{})
	for i := range 300 {
		name := fmt.Sprintf("db%d", i%3)
		if i < 3 {
			if err := p.store.Create(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		p.write(t, name)
		if i%10 == 0 {
			p.since(t, "0")
		}
	}
	db, err := p.store.Bare(t.Context(), store.UpdatesDB, store.ForUpdates)
	if err != nil {
		t.Fatal(err)
	}
	info, err := db.Info(t.Context())
	if err != nil || info.DocCount != 3 || info.Active > 1000 || info.UpdateSeq < 30 {
		t.Errorf("%+v, %v", info, err)
	}
	u, err := db.Usage(t.Context())
	if err != nil || u.Superseded != 0 {
		t.Errorf("%d bytes are superseded, %v", u.Superseded, err)
	}
	if err := db.Check(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
	db.Release()
	p.end(t)
}

// Notes that are damaged begin anew: readers get every database again.
func TestDamagedNotes(t *testing.T) {
	e := storetest.Engine(t)
	p := start(t, e, updates.Options{})
	if err := p.store.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, place := p.since(t, "0")
	p.end(t)
	edb, err := e.Open(t.Context(), store.UpdatesDB)
	if err != nil {
		t.Fatal(err)
	}
	err = edb.Update(t.Context(), func(tx engine.Tx) error {
		const docs, bodies = 1, 3
		for _, s := range []engine.Space{docs, bodies, 2, 4, 5} {
			var keys [][]byte
			err := tx.Scan(s, engine.Range{}, func(k, _ []byte) (bool, error) {
				keys = append(keys, slices.Clone(k))
				return true, nil
			})
			for _, k := range keys {
				err = errors.Join(err, tx.Put(s, k, []byte{1, 2, 3}))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, edb.Close()); err != nil {
		t.Fatal(err)
	}
	p = start(t, e, updates.Options{})
	all, _ := p.since(t, place)
	wants(t, "afterwards", all, "a updated")
	p.end(t)
}

// With several processes each one tells of what all have done; what a killed one has not noted, another
// one finds; and their workers are told.
func TestSeveral(t *testing.T) {
	for name, opt := range map[string]chaos.Options{"calm": {}, "chaos": {Seed: 5, Rerun: 0.3, Unknown: 0.04, DropNotices: 0.3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := chaos.New(opt)
			var all []*process
			for range 3 {
				all = append(all, start(t, e, updates.Options{Soon: 20 * time.Millisecond, Scan: 100 * time.Millisecond}))
			}
			ctx := t.Context()
			if err := all[0].store.Create(ctx, "shared"); err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			for i, p := range all {
				writers.Go(func() {
					name := fmt.Sprintf("db%d", i)
					if err := p.store.Create(ctx, name); err != nil {
						t.Error(err)
					}
					for range 20 {
						p.write(t, name)
						p.write(t, "shared")
					}
				})
			}
			writers.Wait()
			want := "db0 updated, db1 updated, db2 updated, shared updated"
			for _, p := range all {
				eventually(t, want, func() string { got, _ := p.since(t, "0"); return got })
			}
			for _, p := range all {
				eventually(t, fmt.Sprint(true), func() string {
					events, _, _ := p.store.Events().Since(0)
					var told []string
					for _, ev := range events {
						told = append(told, ev.DB)
					}
					slices.Sort(told)
					return fmt.Sprint(slices.Equal(told, []string{"db0", "db1", "db2", "shared"}))
				})
			}
			// Quiet: nothing is told for ever.
			_, place := all[1].since(t, "0")
			eventually(t, "", func() (got string) {
				time.Sleep(200 * time.Millisecond)
				got, place = all[1].since(t, place)
				return got
			})
			// One is killed between a commit and the note of it.
			dead := start(t, e, updates.Options{})
			dead.since(t, "0")
			dead.log.Close()
			dead.write(t, "db1")
			if err := dead.store.Drop(ctx, "db2"); err != nil {
				t.Fatal(err)
			}
			dead.kill()
			eventually(t, "db1 updated, db2 deleted", func() string {
				got, _ := all[1].since(t, place)
				return strings.TrimSuffix(got, ", shared updated") // whoever was not sure that it was noted tells it again
			})
			for _, p := range all { // the one that has found it too
				eventually(t, "deleted", func() string {
					events, _, _ := p.store.Events().Since(0)
					return events[slices.IndexFunc(events, func(ev store.Event) bool { return ev.DB == "db2" })].Type
				})
			}
			for _, p := range all {
				p.end(t)
			}
		})
	}
}

// A process that notes late does not hide what another one has noted of the same database since.
func TestNotedLate(t *testing.T) {
	e := chaos.New(chaos.Options{})
	late := start(t, e, updates.Options{Soon: time.Hour, Scan: time.Hour})
	late.since(t, "0")
	p := start(t, e, updates.Options{Soon: time.Millisecond, Scan: time.Hour})
	p.since(t, "0")
	if err := late.store.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	p.write(t, "a")
	eventually(t, "a updated", func() string { got, _ := p.since(t, "0"); return got })
	all, _ := late.since(t, "0") // which has it note
	wants(t, "afterwards", all, "a updated")

	// Nor does it bring back what was deleted.
	late.write(t, "a")
	if err := p.store.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted", func() string { got, _ := p.since(t, "0"); return got })
	all, _ = late.since(t, "0")
	wants(t, "after it was deleted", all, "a deleted")
	p.end(t)
	late.end(t)
}

// The storage is put back to an earlier state while processes run. What was lost is not noted, and each write since is
// followed by an event although its sequence was there before.
func TestPutBack(t *testing.T) {
	e := chaos.New(chaos.Options{})
	e.PutBack(e.Save()) // from now on it knows of eras
	p := start(t, e, updates.Options{Soon: 10 * time.Millisecond, Scan: time.Hour})
	late := start(t, e, updates.Options{Soon: time.Hour, Scan: time.Hour})
	ctx := t.Context()
	late.since(t, "0")
	if err := p.store.Create(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	p.write(t, "a")
	eventually(t, "a updated", func() string { got, _ := p.since(t, "0"); return got })
	saved := e.Save()
	for range 5 {
		p.write(t, "a")
	}
	p.since(t, "0")
	late.write(t, "a") // not noted
	if err := late.store.Create(ctx, "lost"); err != nil {
		t.Fatal(err)
	}
	e.PutBack(saved)

	again := func(of *process) {
		t.Helper()
		var place string
		eventually(t, "a updated", func() (got string) { got, place = p.again(t, "0"); return got })
		of.writeAgain(t, "a")
		eventually(t, "a updated", func() string { got, _ := of.again(t, place); return got })
	}
	again(p) // which had written what is lost
	again(p)
	again(late) // which had not noted it
	all, _ := p.again(t, "0")
	wants(t, "afterwards", all, "a updated")
	late.end(t)
	p.end(t)
}

// writeAgain writes to a database of which a part was lost; who has it open is told so first.
func (p *process) writeAgain(t testing.TB, name string) {
	t.Helper()
	eventually(t, "", func() string {
		if err := p.tryWrite(t.Context(), name); err != nil {
			return err.Error()
		}
		return ""
	})
}

// again is since, where the notes may just have been put back.
func (p *process) again(t testing.TB, place string) (events, next string) {
	t.Helper()
	eventually(t, "", func() string {
		var err error
		if events, next, err = p.trySince(t.Context(), place); err != nil {
			return err.Error()
		}
		return ""
	})
	return events, next
}

// eventually waits for a value.
func eventually(t testing.TB, want string, of func() string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = of(); got == want {
			return
		}
	}
	t.Fatalf("it stays %s, want %s", got, want)
}

// While somebody waits, events come soon.
func TestSoonWhileSomebodyWaits(t *testing.T) {
	e := storetest.Engine(t)
	p := start(t, e, updates.Options{Late: time.Hour})
	if err := p.store.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	p.since(t, "0")
	r, err := p.log.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	place, err := r.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		news := r.Changed(place)
		p.write(t, "a")
		select {
		case <-news:
		case <-time.After(30 * time.Second):
			t.Fatal("it is not told")
		}
		if place, err = r.Since(t.Context(), place, -1, func(*updates.Event) error { return nil }, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	p.end(t)
}

// late is an engine that waits for a while before it writes.
type late struct {
	engine.Engine
	pause atomic.Int64
}

func (e *late) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return &lateDB{db, e}, err
}

func (e *late) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return &lateDB{db, e}, err
}

type lateDB struct {
	engine.DB
	eng *late
}

func (d *lateDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	time.Sleep(time.Duration(d.eng.pause.Load()))
	return d.DB.Update(ctx, fn)
}

// When a storage was away, or took long once, who follows the feed hears soon of what happens after that.
func TestSoonAfterTheStorageWasAway(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(e *late, chaos *chaos.Engine){
		"away": func(_ *late, e *chaos.Engine) { e.Away(0); time.Sleep(4 * time.Second); e.Calm() },
		"slow": func(e *late, _ *chaos.Engine) {
			e.pause.Store(int64(4 * time.Second))
			time.Sleep(time.Second)
			e.pause.Store(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := chaos.New(chaos.Options{Alone: true})
			e := &late{Engine: faults}
			p := start(t, e, updates.Options{})
			for _, name := range []string{"a", "b"} {
				if err := p.store.Create(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			r, err := p.log.Follow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			place, err := r.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			told := func() {
				<-r.Changed(place)
				place++
			}
			p.write(t, "a")
			told()
			p.write(t, "b") // is noted in a moment, or when the storage is back
			spoil(e, faults)
			told()
			p.write(t, "a")
			wrote := time.Now()
			told()
			if took := time.Since(wrote); took > 20*time.Second { // ten times the four seconds are forty
				t.Errorf("the event comes after %v", took)
			}
			r.Close()
			p.end(t)
		})
	}
}

// Of databases that come and go only the last ones are remembered. A reader who has seen them go misses
// nothing, and what is there stays.
func TestDeletedAreForgotten(t *testing.T) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			p := start(t, e, updates.Options{Deleted: 20, Scan: time.Millisecond})
			for _, name := range []string{"old", "mark"} {
				if err := p.store.Create(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			_, place := p.since(t, "0")
			for i := range 100 {
				name := fmt.Sprintf("db%02d", i)
				if err := errors.Join(p.store.Create(t.Context(), name), p.store.Drop(t.Context(), name)); err != nil {
					t.Fatal(err)
				}
				var got string
				got, place = p.since(t, place)
				wants(t, "the next event", got, name+" deleted")
			}
			all, _ := p.since(t, "0")
			if n := strings.Count(all, "deleted"); n < 20 || n > 22 || !strings.HasSuffix(all, "db98 deleted, db99 deleted, mark created, old created") {
				t.Errorf("%d are remembered: %s", n, all)
			}
			db, err := p.store.Bare(t.Context(), store.UpdatesDB, store.ForUpdates)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Check(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
				t.Error(err)
			}
			db.Release()
			p.end(t)

			p = start(t, e, updates.Options{Deleted: 20, Scan: time.Millisecond})
			defer p.end(t)
			if got, _ := p.since(t, place); got != "" {
				t.Errorf("after a restart: %s", got)
			}
		})
	}
}

// A process that ends while the databases are held has nothing to complain of: the next one notes what it could
// not.
func TestEndsWhileHeld(t *testing.T) {
	e := chaos.New(chaos.Options{})
	opt := updates.Options{Late: time.Hour, Soon: time.Hour}
	p := start(t, e, opt)
	if err := p.store.Create(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	noted := func() uint64 {
		db, err := p.store.Bare(t.Context(), store.UpdatesDB, store.ForUpdates)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Release()
		seq, err := db.UpdateSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	before, place := p.since(t, "0")
	for {
		was := noted()
		p.write(t, "a")
		if err := e.Hold(t.Context(), nil, []byte("held")); err != nil {
			t.Fatal(err)
		}
		if noted() == was {
			break
		}
		// It was noted before the hold, for a reader's sake that came while another note was written.
		if err := e.Unhold(t.Context()); err != nil {
			t.Fatal(err)
		}
		before, place = p.since(t, "0")
	}
	p.end(t)
	p = start(t, e, opt)
	all, _ := p.since(t, "0")
	wants(t, "read during the hold", all, before)
	p.end(t)
	if err := e.Unhold(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = start(t, e, opt)
	defer p.end(t)
	events, _ := p.since(t, place)
	wants(t, "after a hold", events, "a updated")
}
