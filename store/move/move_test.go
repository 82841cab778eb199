package move_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/move"
	"github.com/tododb/tododb/store/storetest"
)

// engines open empty engines.
var engines = map[string]func(testing.TB) engine.Engine{
	"bolt": func(t testing.TB) engine.Engine { return storetest.Engine(t) },
	"pg":   func(t testing.TB) engine.Engine { return storetest.Shared(t, pgtest.URL(t)) },
	"faults": func(testing.TB) engine.Engine {
		return chaos.New(chaos.Options{Seed: 3, Rerun: 0.3, Unknown: 0.1, MaxKey: 4000})
	},
}

// fill makes databases that have something in every space.
func fill(t *testing.T, eng engine.Engine) {
	t.Helper()
	ctx := t.Context()
	for i, name := range []string{"_users", "a", "b/c", "empty"} {
		db, err := eng.Create(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		sub, err := db.Sub(ctx, "index1")
		if err != nil {
			t.Fatal(err)
		}
		for j, to := range []engine.DB{db, sub} {
			for s := engine.Space(1); s <= 31 && name != "empty"; s++ {
				put(t, to, s, 1+300*i*(1-j)/int(s))
			}
		}
		if err := errors.Join(sub.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, db engine.DB, s engine.Space, n int) {
	t.Helper()
	put := func(tx engine.Tx) error {
		for i := range n {
			k := fmt.Appendf(nil, "%05d", i)
			if i%50 == 1 { // the engine's own longest
				k = append(k, bytes.Repeat([]byte{byte(i)}, 2044)...)
			}
			v := bytes.Repeat([]byte{byte(s), byte(i)}, i%1000)
			if i%100 == 7 {
				v = bytes.Repeat(v, 100)
			}
			if err := tx.Put(s, k, v); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		err := db.Update(t.Context(), put)
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrUnknown) {
			t.Fatal(err)
		}
	}
}

// dump is all that an engine holds, as a text for each place.
func dump(t *testing.T, eng engine.Engine) map[string]string {
	t.Helper()
	ctx := t.Context()
	all := map[string]string{}
	names, err := eng.List(ctx, "", -1)
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string, db engine.DB) {
		err := db.View(ctx, func(r engine.Reader) error {
			all[name] = "" // it is there
			for s := engine.Space(1); s <= 31; s++ {
				err := r.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
					all[fmt.Sprintf("%s %d %x", name, s, k)] = string(v)
					return true, nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err = errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		db, err := eng.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if l, can := db.(engine.SubLister); can {
			subs, err := l.Subs(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, sub := range subs {
				opened, err := db.Sub(ctx, sub)
				if err != nil {
					t.Fatal(err)
				}
				of(name+"/sub/"+sub, opened)
			}
		}
		of(name, db)
	}
	return all
}

func same(t *testing.T, want, got map[string]string) {
	t.Helper()
	if !maps.Equal(want, got) {
		t.Errorf("%d entries have come, want %d, or they differ", len(got), len(want))
	}
}

func withoutSubs(all map[string]string) map[string]string {
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(k, _ string) bool { return strings.Contains(k, "/sub/") })
	return kept
}

// What comes is what was there, from every kind of engine to every other, and the old home says where it is.
func TestEntriesStayTheSame(t *testing.T) {
	for from, openFrom := range engines {
		for to, openTo := range engines {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, target := openFrom(t), openTo(t)
				fill(t, source)
				want := dump(t, source)
				sent, settled := int64(0), 0
				opt := move.Options{
					From: source, To: target, FromName: "here", ToName: "there",
					Show: func(p move.Progress) {
						sent = max(sent, p.Bytes)
						if p.Database == "b/c" && p.Bytes == 0 {
							t.Error("nothing has come before the third database")
						}
					},
					Settle: func(ctx context.Context) error {
						if settled++; settled == 1 {
							return fmt.Errorf("check: %w", engine.ErrUnavailable)
						}
						if err := move.Home(ctx, target); !errors.Is(err, move.ErrArriving) {
							t.Errorf("the target before the end: %v", err)
						}
						if err := move.Home(ctx, source); err != nil {
							t.Errorf("the source before the end: %v", err)
						}
						if _, err := source.Create(ctx, "more"); !errors.Is(err, engine.ErrHeld) {
							t.Errorf("the source is written to: %v", err)
						}
						return nil
					},
				}
				report, err := move.Run(t.Context(), opt)
				if err != nil {
					t.Fatal(err)
				}
				got := dump(t, target)
				if from == "faults" || to == "faults" { // it cannot list what belongs to a database
					want, got = withoutSubs(want), withoutSubs(got)
				}
				same(t, want, got)
				if report.Databases != 4 || report.Bytes != sent || report.Skipped != 0 {
					t.Errorf("the report is %+v, and %d bytes were sent", report, sent)
				}
				moved := (*move.Moved)(nil)
				if err := move.Home(t.Context(), source); !errors.As(err, &moved) || moved.To != "there" {
					t.Errorf("the old home: %v", err)
				}
				if err := move.Home(t.Context(), target); err != nil {
					t.Errorf("the new home: %v", err)
				}
				if _, err := move.Run(t.Context(), opt); !errors.As(err, &moved) {
					t.Errorf("once more: %v", err)
				}
				if _, err := move.Undo(t.Context(), source); err != nil {
					t.Fatal(err)
				}
				if err := move.Home(t.Context(), source); err != nil {
					t.Errorf("the old home after undo: %v", err)
				}
				if _, err := move.Run(t.Context(), opt); !errors.Is(err, move.ErrNotEmpty) {
					t.Errorf("into what has databases: %v", err)
				}
			})
		}
	}
}

// Wherever a move is interrupted, the next one goes on, and nobody takes a part for the whole.
func TestInterrupted(t *testing.T) {
	for to, open := range engines {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			source := storetest.Engine(t)
			fill(t, source)
			want := dump(t, source)
			target := open(t)
			random := rand.New(rand.NewPCG(1, 2))
			stops := 0
			for {
				ctx, cancel := context.WithCancel(t.Context())
				left := random.IntN(40) + stops // so that it comes to an end
				report, err := move.Run(ctx, move.Options{
					From: source, To: target, FromName: "here", ToName: "there",
					Show: func(move.Progress) {
						if left--; left < 0 {
							cancel()
						}
					},
				})
				cancel()
				if err == nil {
					if stops > 20 && report.Skipped == 0 {
						t.Errorf("after %d interruptions: %+v", stops, report)
					}
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				stops++
				if err := move.Home(t.Context(), target); !errors.Is(err, move.ErrArriving) {
					t.Fatalf("the target after an interruption: %v", err)
				}
			}
			if stops == 0 {
				t.Error("it was not interrupted")
			}
			got := dump(t, target)
			if to == "faults" {
				want, got = withoutSubs(want), withoutSubs(got)
			}
			same(t, want, got)
		})
	}
}

// Whichever call to the target fails, the next move completes what there is.
func TestFailingCalls(t *testing.T) {
	for n := 1; ; n += 1 + n/8 {
		source := chaos.New(chaos.Options{MaxKey: 4000})
		db, err := source.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, 2, 5)
		want := dump(t, source)
		target := chaos.New(chaos.Options{MaxKey: 4000, FailCall: n})
		opt := move.Options{From: source, To: target, FromName: "here", ToName: "there"}
		_, err = move.Run(t.Context(), opt)
		if err != nil {
			_, err = move.Run(t.Context(), opt)
		}
		if err != nil {
			t.Fatalf("after call %d has failed: %v", n, err)
		}
		calls := target.Calls()
		target.Calm()
		same(t, want, dump(t, target))
		if calls < n {
			return
		}
	}
}

// slow is an engine that is away for a while, and then does not write more than so many entries at once in the time
// that it has.
type slow struct {
	*chaos.Engine
	most   int
	away   time.Time // until then
	writes []int     // entries of each Update of a database that did well
}

const slowLimit = 20 * time.Second

func (e *slow) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return &slowDB{db, e}, err
}

func (e *slow) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return &slowDB{db, e}, err
}

type slowDB struct {
	engine.DB
	eng *slow
}

func (d *slowDB) View(ctx context.Context, fn func(engine.Reader) error) error {
	if time.Now().Before(d.eng.away) {
		time.Sleep(time.Second)
		return engine.ErrUnavailable
	}
	return d.DB.View(ctx, fn)
}

func (d *slowDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if time.Now().Before(d.eng.away) {
		time.Sleep(time.Second)
		return engine.ErrUnavailable
	}
	n := 0
	err := d.DB.Update(ctx, func(tx engine.Tx) error {
		counted := &countedTx{Tx: tx}
		err := fn(counted)
		if n = counted.puts; err == nil && n > d.eng.most {
			err = engine.ErrUnavailable
		}
		return err
	})
	if n > d.eng.most {
		time.Sleep(slowLimit)
	} else if err == nil && n > 1 { // one is the journal's
		d.eng.writes = append(d.eng.writes, n)
	}
	return err
}

type countedTx struct {
	engine.Tx
	puts int
}

func (t *countedTx) Put(s engine.Space, k, v []byte) error {
	t.puts++
	return t.Tx.Put(s, k, v)
}

// A server that is too slow for a page gets less at once, and more again after that; one that is away gets what it would
// have had.
func TestSlowTarget(t *testing.T) {
	for name, c := range map[string]struct {
		most         int
		away         time.Duration
		atOnce, last int // how many entries are in the first transaction, and in the largest
	}{
		"slow":      {most: 80, atOnce: 75, last: 80},
		"very slow": {most: 50, atOnce: 50, last: 50},
		"away":      {most: 1 << 20, away: time.Minute, atOnce: 600, last: 600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := chaos.New(chaos.Options{})
				db, err := source.Create(t.Context(), "db")
				if err == nil {
					err = db.Update(t.Context(), func(tx engine.Tx) error {
						for i := range 600 {
							if err := tx.Put(3, fmt.Appendf(nil, "%05d", i), nil); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err != nil {
					t.Fatal(err)
				}
				target := &slow{Engine: chaos.New(chaos.Options{}), most: c.most}
				show := func(p move.Progress) {
					if p.Database == "db" && p.Bytes == 0 && target.away.IsZero() {
						target.away = time.Now().Add(c.away)
					}
				}
				if _, err := move.Run(t.Context(), move.Options{From: source, To: target, FromName: "here", ToName: "there", Show: show}); err != nil {
					t.Fatal(err)
				}
				same(t, dump(t, source), dump(t, target.Engine))
				if first, largest := target.writes[0], slices.Max(target.writes); first != c.atOnce || largest > c.last || largest < c.last*4/5 {
					t.Errorf("%d entries are in the first transaction, want %d, and %d in the largest, want %d", first, c.atOnce, largest, c.last)
				}
			})
		})
	}
}

// A half-done move is not mixed with another.
func TestRefusals(t *testing.T) {
	ctx := t.Context()
	begin := func(t *testing.T) (source, target engine.Engine, opt move.Options) {
		source, target = storetest.Engine(t), storetest.Engine(t)
		fill(t, source)
		opt = move.Options{From: source, To: target, FromName: "here", ToName: "there"}
		stopped, cancel := context.WithCancel(ctx)
		half := opt
		half.Show = func(p move.Progress) {
			if p.Database == "b/c" && p.Bytes > 1000 {
				cancel()
			}
		}
		if _, err := move.Run(stopped, half); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return source, target, opt
	}
	t.Run("elsewhere", func(t *testing.T) {
		source, _, opt := begin(t)
		opt.To, opt.ToName = storetest.Engine(t), "elsewhere"
		moving := (*move.Moving)(nil)
		if _, err := move.Run(ctx, opt); !errors.As(err, &moving) || moving.To != "there" {
			t.Errorf("a move to elsewhere: %v", err)
		}
		if _, err := move.Undo(ctx, source); err != nil {
			t.Fatal(err)
		}
		if _, err := move.Run(ctx, opt); err != nil {
			t.Errorf("after the first was given up: %v", err)
		}
	})
	t.Run("written meanwhile", func(t *testing.T) {
		source, target, opt := begin(t)
		if _, err := move.Undo(ctx, source); err != nil {
			t.Fatal(err)
		}
		db, err := source.Open(ctx, "_users")
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, 3, 500)
		db.Close()
		if err := source.Drop(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		want := dump(t, source)
		if _, err := move.Run(ctx, opt); err != nil {
			t.Fatal(err)
		}
		same(t, want, dump(t, target))
	})
	t.Run("from elsewhere", func(t *testing.T) {
		_, target, opt := begin(t)
		opt.From, opt.FromName = storetest.Engine(t), "elsewhere"
		fill(t, opt.From)
		put := dump(t, opt.From)
		if _, err := move.Run(ctx, opt); !errors.Is(err, move.ErrOther) {
			t.Errorf("a move from elsewhere: %v", err)
		}
		if err := move.Home(ctx, opt.From); err != nil {
			t.Error(err)
		}
		if note, err := opt.From.(engine.Holder).Held(ctx); note != nil || err != nil {
			t.Errorf("a refused move holds: %q, %v", note, err)
		}
		opt.Anew = true
		if _, err := move.Run(ctx, opt); err != nil {
			t.Fatal(err)
		}
		same(t, put, dump(t, target))
	})
	t.Run("what came is gone", func(t *testing.T) {
		_, target, opt := begin(t)
		if err := target.Drop(ctx, "_users"); err != nil {
			t.Fatal(err)
		}
		if _, err := move.Run(ctx, opt); !errors.Is(err, engine.ErrNoDB) {
			t.Errorf("without a database that had come: %v", err)
		}
		opt.Anew = true
		if _, err := move.Run(ctx, opt); err != nil {
			t.Error(err)
		}
	})
	t.Run("other keys", func(t *testing.T) {
		opt := move.Options{From: storetest.Engine(t), To: chaos.New(chaos.Options{}), FromName: "here", ToName: "there"}
		if _, err := move.Run(ctx, opt); !errors.Is(err, move.ErrUnfit) {
			t.Errorf("an engine with short keys: %v", err)
		}
	})
}

// A store on the new home finds everything as it was, and sound.
func TestStoreFindsAll(t *testing.T) {
	for to, open := range engines {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			source := storetest.Engine(t)
			s := storetest.On(t, source, store.Options{})
			db := storetest.Bare(t, s, "db")
			long := strings.Repeat("long id ", 1000)
			for i := range 50 {
				id := fmt.Sprintf("doc%d", i)
				if i == 7 {
					id = long
				}
				doc, err := document.Parse(fmt.Appendf(nil, `{"_id":%q,"n":%d}`, id, i), document.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := db.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			before, err := db.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			target := open(t)
			opt := move.Options{From: source, To: target, FromName: "here", ToName: "there"}
			if _, err := move.Run(ctx, opt); err != nil {
				t.Fatal(err)
			}
			now, err := store.Open(ctx, target, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer now.Close()
			there, err := now.Bare(ctx, "db", store.ForUpkeep)
			if err != nil {
				t.Fatal(err)
			}
			defer there.Release()
			after, err := there.Info(ctx)
			if err != nil || after.UpdateSeq != before.UpdateSeq || after.DocCount != before.DocCount || !after.Created.Equal(before.Created) {
				t.Errorf("it was %+v and is %+v, %v", before, after, err)
			}
			err = there.Check(ctx, func(problem string) { t.Error(problem) })
			if err != nil {
				t.Error(err)
			}
			// The old one reads on, and does not write.
			if names, err := s.Names(ctx, "", -1); err != nil || !slices.Equal(names, []string{"db"}) {
				t.Errorf("the old home lists %q, %v", names, err)
			}
			if err := s.Create(ctx, "more"); !errors.Is(err, store.ErrHeld) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("the old home makes a database: %v", err)
			}
		})
	}
}

// Who gives a move up while it goes on keeps his home, and what he writes there.
func TestGivenUpMeanwhile(t *testing.T) {
	for from, open := range engines {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			source, target := open(t), storetest.Engine(t)
			fill(t, source)
			opt := move.Options{From: source, To: target, FromName: "here", ToName: "there"}
			undo := func(again bool) func(context.Context) error {
				return func(context.Context) error {
					if _, err := move.Undo(ctx, source); err != nil {
						t.Error(err)
					}
					db, err := source.Open(ctx, "empty")
					if err != nil {
						return err
					}
					put(t, db, 1, 5)
					if again {
						err = source.(engine.Holder).Hold(ctx, nil, []byte(`{"move":"another"}`))
					}
					return errors.Join(err, db.Close())
				}
			}
			for _, again := range []bool{false, true} {
				opt.Settle = undo(again)
				if _, err := move.Run(ctx, opt); !errors.Is(err, move.ErrUndone) {
					t.Errorf("the move ends with %v", err)
				}
				if err := move.Home(ctx, source); err != nil {
					t.Errorf("the source: %v", err)
				}
				if err := move.Home(ctx, target); !errors.Is(err, move.ErrArriving) {
					t.Errorf("the target: %v", err)
				}
			}
			if _, err := move.Undo(ctx, source); err != nil {
				t.Fatal(err)
			}
			opt.Settle = nil
			want := dump(t, source)
			if _, err := move.Run(ctx, opt); err != nil {
				t.Fatal(err)
			}
			got := dump(t, target)
			if from == "faults" {
				want, got = withoutSubs(want), withoutSubs(got)
			}
			same(t, want, got)
		})
	}
}
