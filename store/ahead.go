package store

import (
	"context"
	"errors"

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

// Ahead says that a request will read a document. Open then reads it together with what it has to find out
// itself, and the first Get of the handle need not ask again.
func (s *Store) Ahead(ctx context.Context, id string) context.Context {
	if !s.Shared() {
		return ctx
	}
	return context.WithValue(ctx, aheadKey{}, id)
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
		var keys []engine.SpaceKey
		id, asked := ctx.Value(aheadKey{}).(string)
		if asked {
			keys = []engine.SpaceKey{{Space: spaceDoc, Key: []byte(id)}}
		}
		r, err := eng.Foresee(ctx, keys)
		if err == nil {
			if asked {
				a.id, a.r = id, r
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
