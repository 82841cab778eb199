package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// nearlyFull is an engine on a disk that is full now and then.
type nearlyFull struct{ engine.Engine }

type nearlyFullDB struct{ engine.DB }

func (e nearlyFull) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return nearlyFullDB{db}, err
}

func (e nearlyFull) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return nearlyFullDB{db}, err
}

func (d nearlyFullDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	full := rand.IntN(50) == 0 || !engine.UsesReserve(ctx) && rand.IntN(3) == 0
	return d.DB.Update(ctx, func(tx engine.Tx) error {
		if err := fn(tx); err != nil || !full {
			return err
		}
		return engine.ErrFull
	})
}

// A database that is compacted again and again stays whole whatever is done to it meanwhile, and its totals, which were
// right, are never set to something else.
func TestCompactionBesideEverything(t *testing.T) {
	widetest.Only(t)
	for name, open := range map[string]func() []engine.Engine{
		"files": func() []engine.Engine {
			e, err := bolt.Open(t.TempDir(), bolt.Options{AppendOnly: store.AppendOnly, NoSync: true, FlushBytes: 64 << 10, FlushAfter: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return []engine.Engine{e}
		},
		"unknown outcomes": func() []engine.Engine {
			return []engine.Engine{chaos.New(chaos.Options{Alone: true, Rerun: 0.3, Unknown: 0.04})}
		},
		"a full disk": func() []engine.Engine {
			return []engine.Engine{nearlyFull{chaos.New(chaos.Options{Alone: true, Rerun: 0.3})}}
		},
		"two processes": func() []engine.Engine {
			e := chaos.New(chaos.Options{Rerun: 0.3, Unknown: 0.04})
			return []engine.Engine{e, e}
		},
	} {
		for _, partitioned := range []bool{false, true} {
			for _, mortal := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s partitioned=%v mortal=%v", name, partitioned, mortal), func(t *testing.T) {
					compactBeside(t, open(), partitioned, mortal)
				})
			}
		}
	}
}

// beside is somebody at work on a database.
type beside struct {
	t      *testing.T
	db     store.Bare
	clock  *handClock
	mortal bool // its tombstones end; else it has such as PutLatest writes, as databases of the server have
	parts  bool
}

func compactBeside(t *testing.T, engines []engine.Engine, partitioned, mortal bool) {
	var log bytes.Buffer // slog's handlers write one line at a time
	clock := newHandClock()
	stores := storetest.Several(t, engines, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Clock: clock.now})
	err := errors.New("not tried")
	for err != nil && !errors.Is(err, store.ErrDBExists) {
		err = stores[0].CreateWith(t.Context(), "db", store.Properties{Partitioned: partitioned})
	}
	var all []*beside
	for _, s := range stores {
		all = append(all, &beside{t, storetest.Bare(t, s, "db"), clock, mortal, partitioned})
	}
	for err := errors.New("not tried"); mortal && err != nil; {
		err = all[0].db.SetLifetime(t.Context(), func(l *store.Lifetime) { l.TTL, l.Grace = "1_min", "1_min" })
	}
	var over sync.WaitGroup
	until := time.Now().Add(1500 * time.Millisecond)
	for i := range 8 {
		over.Go(func() {
			for b := all[i%len(all)]; time.Now().Before(until); {
				b.may(b.step())
			}
		})
	}
	for _, b := range all {
		over.Go(func() {
			for time.Now().Before(until) {
				b.may(b.db.Compact(t.Context()))
			}
		})
	}
	over.Wait()
	for err = errors.New("not tried"); err != nil; {
		err = all[0].db.Compact(t.Context())
		all[0].may(err)
	}
	checkIsClean(t, all[0].db.Unguarded())
	if strings.Contains(log.String(), "counted anew") {
		t.Error(log.String())
	}
}

// may fails the test for an error that is no answer of a storage in trouble.
func (b *beside) may(err error) {
	if err != nil && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrFull) {
		b.t.Error(err)
	}
}

// id is so long that a few hundred documents do not fit in one snapshot.
func (b *beside) id(i int) string {
	switch i %= 1500; {
	case i < 10:
		return fmt.Sprintf("_design/%d", i)
	case b.parts:
		return fmt.Sprintf("p%d:", i%7) + longID(i)
	}
	return longID(i)
}

// edit is one of a document as it is now.
func (b *beside) edit(id string, deleted bool) (e store.Edit) {
	e.Doc = parse(b.t, `{"_id":%q,"_deleted":%v,"n":%d,"x":%q}`, id, deleted, rand.IntN(1000), strings.Repeat("y", rand.IntN(60)))
	e.Doc.Rev = b.rev(id)
	e.Doc.HasRev = !e.Doc.Rev.IsZero()
	return e
}

func (b *beside) rev(id string) revtree.Rev {
	d, err := b.db.Get(b.t.Context(), id, store.ReadOptions{Deleted: true})
	if err != nil {
		return revtree.Rev{}
	}
	return d.Rev
}

// step does something to some documents.
func (b *beside) step() error {
	ctx, i := b.t.Context(), rand.IntN(1500)
	if rand.IntN(4) == 0 {
		i = rand.IntN(30)
	}
	switch n := rand.IntN(20); {
	case n < 6:
		var edits []store.Edit
		for k := range 1 + rand.IntN(20) {
			edits = append(edits, b.edit(b.id(i+13*k), rand.IntN(4) == 0))
		}
		_, err := b.db.Write(ctx, edits, store.WriteOptions{Atomic: rand.IntN(3) == 0})
		return err
	case n < 9:
		var edits []store.Edit
		for range 1 + rand.IntN(3) {
			e := b.edit(b.id(i), rand.IntN(4) == 0)
			e.Doc.Rev, e.Doc.HasRev = revtree.Rev{}, false
			for gen := 1 + rand.IntN(6); gen > 0; gen-- {
				e.Doc.Path = append(e.Doc.Path, revtree.Rev{Gen: uint64(gen), ID: fmt.Sprintf("%032x", rand.IntN(256))})
			}
			edits = append(edits, e)
		}
		_, err := b.db.Write(ctx, edits, store.WriteOptions{Replicated: true})
		return err
	case n < 12:
		_, err := b.db.Write(ctx, []store.Edit{b.edit(b.id(i), true)}, store.WriteOptions{})
		return err
	case n < 15:
		var ids []string
		var revs [][]revtree.Rev
		for k := range 1 + rand.IntN(4) {
			ids, revs = append(ids, b.id(i+k)), append(revs, []revtree.Rev{b.rev(b.id(i + k))})
		}
		_, _, err := b.db.Purge(ctx, ids, revs)
		return err
	case n < 16:
		return b.db.SetRevsLimit(ctx, []int{1, 2, 3, 1000}[rand.IntN(4)])
	case !b.mortal:
		doc := store.Latest{ID: b.id(i), Body: []byte(`{"l":1}`), Deleted: rand.IntN(3) == 0}
		if rand.IntN(2) == 0 {
			var seq uint64
			_, err := b.db.Changes(ctx, store.ChangesQuery{Limit: 1 + rand.IntN(50)}, func(c *store.Change) error { doc.ID, seq = string(c.ID), c.Seq; return nil }, func() error { return nil })
			if doc.Gone, doc.If = true, &seq; err != nil {
				return err
			}
		}
		if strings.HasPrefix(doc.ID, "_") {
			return nil
		}
		return b.db.PutLatest(ctx, []store.Latest{doc}, nil)
	case n < 18:
		return b.db.RevsDiff(ctx, []string{b.id(i)}, [][]revtree.Rev{{{Gen: 1, ID: fmt.Sprintf("%032x", 1)}}}, func(int, []revtree.Rev, []revtree.Rev) error { return nil })
	}
	b.clock.forward(40 * time.Second)
	_, err := b.db.Expire(ctx, store.ExpireOptions{})
	return err
}
