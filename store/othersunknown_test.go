package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// meddled is an engine that lets a test do something before a transaction, or while it gets lost.
type meddled struct {
	engine.Engine
	before func()
	lose   func() error // once: the transaction runs and is not committed, this is called, and nobody knows
}

type meddledDB struct {
	engine.DB
	eng *meddled
}

func (e *meddled) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return &meddledDB{db, e}, err
}

func (e *meddled) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return &meddledDB{db, e}, err
}

var errLost = errors.New("the transaction is lost")

func (d *meddledDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if d.eng.before != nil {
		d.eng.before()
	}
	lose := d.eng.lose
	if d.eng.lose = nil; lose == nil {
		return d.DB.Update(ctx, fn)
	}
	err := d.DB.Update(ctx, func(tx engine.Tx) error { return errors.Join(fn(tx), errLost) })
	if err = errors.Join(lose(), err); errors.Is(err, errLost) {
		err = engine.ErrUnknown
	}
	return err
}

// If it is not known whether a write took place, it is not taken for what another process wrote at the same
// sequence meanwhile.
func TestOthersWriteMeanwhile(t *testing.T) {
	shared := chaos.New(chaos.Options{})
	lossy := &meddled{Engine: shared}
	s := storetest.Several(t, []engine.Engine{lossy, shared}, store.Options{})
	if err := s[0].Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	one, other := must(t, s[0], "db"), must(t, s[1], "db")
	ctx := t.Context()

	lossy.lose = func() error { return other.SetSecurity(ctx, []byte(`{"n":1}`)) }
	if err := one.SetRevsLimit(ctx, 77); err != nil {
		t.Fatal(err)
	}
	if n, err := one.RevsLimit(ctx); n != 77 || err != nil {
		t.Errorf("the limit that was set to 77 is %d, %v", n, err)
	}

	bring := func(db *store.DB, ids ...string) error {
		var edits []store.Edit
		for _, id := range ids {
			doc := parse(t, `{"_id":%q}`, id)
			doc.Path = []revtree.Rev{{Gen: 1, ID: "aaa"}}
			doc.Rev, doc.HasRev = doc.Path[0], true
			edits = append(edits, store.Edit{Doc: doc})
		}
		_, err := db.Write(ctx, edits, store.WriteOptions{Replicated: true})
		return err
	}
	lossy.lose = func() error { return bring(other, "b", "z") }
	if err := bring(one, "a", "z"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "z"} {
		if _, err := one.Get(ctx, id, store.ReadOptions{}); err != nil {
			t.Errorf("%s was written: %v", id, err)
		}
	}
	checkIsClean(t, one)
}

// A document whose tombstone ends, and that is written in the same transaction, keeps its history.
func TestOthersWriteWhatEnds(t *testing.T) {
	clock := newHandClock()
	eng := &meddled{Engine: chaos.New(chaos.Options{})}
	s := storetest.On(t, eng, store.Options{Clock: clock.now})
	db := storetest.Bare(t, s, "db")
	setLife(t, db, "1_min", "1_min")
	branch(t, db.Unguarded(), "doc", `{"_deleted":true}`, "2-a", "1-a")
	expire(t, db)
	clock.forward(time.Hour)

	begun, release := make(chan bool, 10), make(chan bool)
	eng.before = func() { begun <- true; <-release }
	over := make(chan bool)
	go func() { put(t, db, `{"_id":"first"}`); over <- true }()
	<-begun // so what comes now waits for one transaction
	go func() { expire(t, db); over <- true }()
	queued := func(n int) {
		for store.Queued(db.Unguarded()) < n {
			time.Sleep(time.Millisecond)
		}
	}
	queued(1)
	go func() { branch(t, db.Unguarded(), "doc", `{"n":1}`, "3-a", "2-a", "1-a"); over <- true }()
	queued(2)
	close(release)
	for range 3 {
		<-over
	}
	checkIsClean(t, db.Unguarded())
	if got, want := leavesOf(t, db, "doc"), "false [3-a 2-a 1-a]; "; got != want {
		t.Errorf("its leaves are %s, want %s", got, want)
	}
}
