package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Where an engine is behind a network, reads are named before they are made, so that they come in one round
// trip: those of a group of writes with the lock, and those of a request for one document with what tells
// whether it may be shown. Where this process is alone nothing of this is done.

// wanted gathers what a group of writes will read.
type wanted struct {
	db   *DB
	keys []engine.SpaceKey
	last []engine.Space
	dead bool // there may be dead documents
}

func (w *wanted) get(s engine.Space, k []byte) {
	w.keys = append(w.keys, engine.SpaceKey{Space: s, Key: k})
}

// edits names what edits of documents read.
func (w *wanted) edits(edits []pendingEdit) {
	for i := range edits {
		e := &edits[i]
		if e.local || i > 0 && e.doc.ID == edits[i-1].doc.ID {
			continue
		}
		w.get(spaceDoc, []byte(e.doc.ID))
		if w.dead {
			w.get(spaceDead, deathKey(e.doc.ID))
		}
	}
	for i := range edits {
		for _, a := range edits[i].atts {
			w.get(spaceAtt, digestKey(a.Digest))
			if st, came := edits[i].staged[a.Digest]; came && st.chunk == nil {
				w.get(spaceAtt, stagedKey(st.at))
			}
		}
	}
}

// fetch reads what a group names.
func (w *writer) fetch(group []*op) error {
	f := w.db.facts.Load()
	want := wanted{db: w.db.base, last: []engine.Space{spaceSeq, spaceTime}, dead: f != nil && f.dead}
	for _, o := range group {
		want.edits(o.edits)
		if o.ahead != nil {
			o.ahead(&want)
		}
	}
	return w.tx.Fetch(want.keys, want.last)
}

type aheadKey struct{}

// Asked is what a request will ask, and perhaps has been asked already.
type Asked struct {
	id     string // of the document that it will read first, "" for none
	db     *DB    // nil: it has not been asked
	at     time.Time
	answer func() (engine.Reader, error)
	used   atomic.Bool
}

// askedHolds is how old an answer may be. It is one of the time of the request; a request may take its time before it
// opens the database.
const askedHolds = time.Second

// Ask asks what opening a database for a request will want to know, and for the document that the request will read, if
// id is not "". The question goes out with the next one, such as that for the user. It is nil if there is nothing to ask.
func (s *Store) Ask(ctx context.Context, name, id string) *Asked {
	if !s.Shared() {
		return nil
	}
	s.mu.Lock()
	db := s.open[name]
	s.mu.Unlock()
	if db == nil {
		return nil
	}
	select {
	case <-db.opened:
	default:
		return nil
	}
	if db.openErr != nil {
		return nil
	}
	eng, ok := db.edb.(engine.Foreseer)
	if !ok {
		return nil
	}
	a := &Asked{id: id, db: db, at: time.Now()}
	var err error
	if a.answer, err = eng.ForeseeSoon(ctx, a.keys()); err != nil {
		return nil
	}
	return a
}

func (a *Asked) keys() (keys []engine.SpaceKey) {
	if a.id != "" {
		keys = []engine.SpaceKey{{Space: spaceDoc, Key: []byte(a.id)}}
	}
	return keys
}

// Ahead says that a request will read a document, if id is not "", and what was asked for it already, if anything. Open then
// reads the document together with what it has to find out itself, and the first Get of the handle need not ask again.
func (s *Store) Ahead(ctx context.Context, id string, asked *Asked) context.Context {
	switch {
	case !s.Shared():
		return ctx
	case asked == nil || id != "" && id != asked.id:
		asked = &Asked{id: id}
	}
	return context.WithValue(ctx, aheadKey{}, asked)
}

// ahead is what was read to open a database for a request.
type ahead struct {
	facts *facts
	id    string        // the document that the request is about
	r     engine.Reader // has it; nil if there is none
}

// foresee finds out whether the database is there, and what holds, and reads the document that the
// request is about, in one round trip if nothing has changed that is known already.
func (db *DB) foresee(ctx context.Context) (a ahead, err error) {
	if eng, ok := db.edb.(engine.Foreseer); ok {
		asked, _ := ctx.Value(aheadKey{}).(*Asked)
		if asked == nil {
			asked = &Asked{}
		}
		var r engine.Reader
		if asked.db == db && time.Since(asked.at) < askedHolds && !asked.used.Swap(true) {
			r, err = asked.answer()
		} else {
			r, err = eng.Foresee(ctx, asked.keys())
		}
		if err == nil {
			if asked.id != "" {
				a.id, a.r = asked.id, r
			}
			if a.facts, err = db.factsIn(r); err == nil {
				db.prove()
				return a, nil
			}
		}
		if !errors.Is(err, engine.ErrUnforeseen) {
			return a, db.failed(err)
		}
	}
	err = db.view(ctx, func(r engine.Reader) error {
		a.facts, err = db.factsIn(r)
		return err
	})
	return a, err
}

// aheadOf is what was read of a document, once, or what is read of it now; nil if it cannot be read so.
func (db *DB) aheadOf(ctx context.Context, id string) (engine.Reader, error) {
	if a := db.ahead.Swap(nil); a != nil && a.id == id {
		return a.r, nil
	}
	eng, ok := db.edb.(engine.Foreseer)
	if !ok || !db.shared {
		return nil, nil
	}
	r, err := eng.Foresee(ctx, []engine.SpaceKey{{Space: spaceDoc, Key: []byte(id)}})
	switch {
	case errors.Is(err, engine.ErrUnforeseen):
		return nil, nil
	case err != nil:
		return nil, db.failed(err)
	}
	db.prove()
	return r, nil
}
