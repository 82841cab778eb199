package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// filled is an engine on a disk on which nothing is left but what it keeps for what makes room, and of that so much that
// a transaction may touch few entries.
type filled struct {
	engine.Engine
	full   bool
	most   int    // entries
	before func() // each transaction
}

type filledDB struct {
	engine.DB
	eng *filled
}

func (e *filled) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return &filledDB{db, e}, err
}

func (e *filled) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return &filledDB{db, e}, err
}

func (d *filledDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if d.eng.before != nil {
		d.eng.before()
	}
	if d.eng.full && !engine.UsesReserve(ctx) {
		return engine.ErrFull
	}
	return d.DB.Update(ctx, func(tx engine.Tx) error {
		t := &tally{Tx: tx}
		if err := fn(t); err != nil {
			return err
		}
		if d.eng.full && t.n > d.eng.most {
			return engine.ErrFull
		}
		return nil
	})
}

// tally counts the entries that are written.
type tally struct {
	engine.Tx
	n int
}

func (t *tally) Put(s engine.Space, k, v []byte) error {
	t.n++
	return t.Tx.Put(s, k, v)
}

func (t *tally) Delete(s engine.Space, k []byte) error {
	t.n++
	return t.Tx.Delete(s, k)
}

// On a full disk what makes room is written, also if it would go together with other writes, and a compaction trims as many
// documents at a time as there is room for.
func TestFullDiskTakesWhatMakesRoom(t *testing.T) {
	t.Parallel()
	eng := &filled{Engine: chaos.New(chaos.Options{Alone: true}), most: 20}
	s := storetest.On(t, eng, store.Options{})
	db := storetest.Bare(t, s, "db").Unguarded()
	revs := map[string]revtree.Rev{}
	for range 2 { // the second time, there is a body to be trimmed
		for i := range 30 {
			id := fmt.Sprint(i)
			doc := `{"_id":"` + id + `","n":1}`
			if rev, there := revs[id]; there {
				doc = `{"_id":"` + id + `","_rev":"` + rev.String() + `","n":2}`
			}
			r, err := db.Put(t.Context(), editsOf(t, doc)[0], store.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			revs[id] = r.Rev
		}
	}
	put := func(doc string) chan error {
		over := make(chan error, 1)
		go func() {
			_, err := db.Put(t.Context(), editsOf(t, doc)[0], store.WriteOptions{})
			over <- err
		}()
		return over
	}
	begun, release := make(chan bool), make(chan bool)
	eng.full, eng.before = true, sync.OnceFunc(func() { close(begun); <-release })
	first := put(`{"_id":"first"}`)
	<-begun
	kinds := []chan error{
		put(`{"_id":"a"}`), put(`{"_id":"0","_rev":"` + revs["0"].String() + `","_deleted":true}`),
		put(`{"_id":"b"}`), put(`{"_id":"_local/checkpoint"}`),
	}
	for store.Queued(db) < len(kinds) {
		time.Sleep(time.Millisecond)
	}
	close(release)
	if err := <-first; !errors.Is(err, store.ErrFull) {
		t.Errorf("alone: %v", err)
	}
	for i, over := range kinds {
		if err := <-over; errors.Is(err, store.ErrFull) != (i%2 == 0) || i%2 == 1 && err != nil {
			t.Errorf("write %d of those that came together: %v", i, err)
		}
	}
	if _, _, err := db.Purge(t.Context(), []string{"1"}, [][]revtree.Rev{{revs["1"]}}); err != nil {
		t.Errorf("purge: %v", err)
	}
	if err := db.Compact(t.Context()); err != nil {
		t.Errorf("compact: %v", err)
	}
	if u, err := db.Usage(t.Context()); err != nil || u.Superseded != 0 {
		t.Errorf("after a compaction, another one would drop %d bytes, %v", u.Superseded, err)
	}
}

// What makes room is written even if it comes together with more of that kind than there is room for.
func TestFullDiskTakesLittleBesideMuch(t *testing.T) {
	t.Parallel()
	eng := &filled{Engine: chaos.New(chaos.Options{Alone: true}), most: 20}
	s := storetest.On(t, eng, store.Options{})
	db := storetest.Bare(t, s, "db").Unguarded()
	var all []string
	for i := range 30 {
		r, err := db.Put(t.Context(), editsOf(t, fmt.Sprintf(`{"_id":"%d"}`, i))[0], store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf(`{"_id":"%d","_rev":%q,"_deleted":true}`, i, r.Rev))
	}
	write := func(docs ...string) chan error {
		over, queued := make(chan error, 1), store.Queued(db)
		go func() {
			_, err := db.Write(t.Context(), editsOf(t, docs...), store.WriteOptions{})
			over <- err
		}()
		for store.Queued(db) == queued && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		return over
	}
	for name, with := range map[string][]string{"alone": nil, "with what takes room": {`{"_id":"more"}`}} {
		begun, release := make(chan bool), make(chan bool)
		eng.full, eng.before = true, sync.OnceFunc(func() { close(begun); <-release })
		first := make(chan error, 1)
		go func() {
			_, err := db.Put(t.Context(), editsOf(t, `{"_id":"first"}`)[0], store.WriteOptions{})
			first <- err
		}()
		<-begun
		much := write(all[2:]...)
		var other chan error
		if with != nil {
			other = write(with...)
		}
		little := write(all[0])
		all = all[1:]
		close(release)
		<-first
		if err := <-much; !errors.Is(err, store.ErrFull) {
			t.Errorf("%s: what does not fit: %v", name, err)
		}
		if other != nil {
			if err := <-other; !errors.Is(err, store.ErrFull) {
				t.Errorf("%s: what takes room: %v", name, err)
			}
		}
		if err := <-little; err != nil {
			t.Errorf("%s: what fits alone: %v", name, err)
		}
	}
}
