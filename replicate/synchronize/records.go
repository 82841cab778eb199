package synchronize

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// records are the documents in which synchronizations are stored.
type records struct{ store *store.Store }

func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// with opens the database, and creates it if it does not exist.
func (r records) with(ctx context.Context, fn func(store.Bare) error) error {
	db, err := r.store.Bare(ctx, store.SynchronizationsDB, store.ForSynchronizations)
	if errors.Is(err, store.ErrNoDB) {
		if err = r.store.Create(ctx, store.SynchronizationsDB); err == nil || errors.Is(err, store.ErrDBExists) {
			db, err = r.store.Bare(ctx, store.SynchronizationsDB, store.ForSynchronizations)
		}
	}
	if err != nil {
		return err
	}
	defer db.Release()
	return fn(db)
}

func (r records) write(ctx context.Context, id string, rev revtree.Rev, body []byte, deleted bool) (revtree.Rev, error) {
	doc := document.Tombstone(id)
	if !deleted {
		var err error
		if doc, err = document.Parse(body, document.Options{}); err != nil {
			return rev, err
		}
	}
	doc.ID, doc.HasID, doc.Rev, doc.HasRev = id, true, rev, !rev.IsZero()
	err := r.with(ctx, func(db store.Bare) error {
		result, err := db.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{})
		if err == nil || result.Err != nil {
			rev = result.Rev
		}
		return err
	})
	return rev, err
}

// save writes a definition as the successor of a revision, which is zero for a new one.
func (r records) save(ctx context.Context, id string, rev revtree.Rev, d *definition) (revtree.Rev, error) {
	return r.write(ctx, id, rev, replicate.Marshal(d), false)
}

func (r records) saveStatus(ctx context.Context, id string, s *status) error {
	_, err := r.write(ctx, "_local/"+id, revtree.Rev{}, replicate.Marshal(s), false)
	return err
}

// remove deletes a definition and its status.
func (r records) remove(ctx context.Context, id string, rev revtree.Rev) error {
	if _, err := r.write(ctx, id, rev, nil, true); err != nil {
		return err
	}
	_, err := r.write(ctx, "_local/"+id, revtree.Rev{}, nil, true)
	return err
}

// all reads every synchronization.
func (r records) all(ctx context.Context, fn func(id string, rev revtree.Rev, d definition, s status)) error {
	if there, err := r.store.Exists(ctx, store.SynchronizationsDB); !there || err != nil {
		return err // no need to create it
	}
	return r.with(ctx, func(db store.Bare) error {
		type found struct {
			id  string
			rev revtree.Rev
			d   definition
		}
		var list []found
		_, err := db.Changes(ctx, store.ChangesQuery{Limit: -1, IncludeDocs: true}, func(c *store.Change) error {
			if c.Deleted {
				return nil
			}
			f := found{id: string(c.ID), rev: c.Revs[0]}
			if err := json.Unmarshal(c.Doc.Body, &f.d); err != nil {
				return fmt.Errorf("synchronization %s: %w", f.id, err)
			}
			list = append(list, f)
			return nil
		}, func() error { return nil })
		if err != nil {
			return err
		}
		for _, f := range list {
			s := newStatus(waiting)
			doc, err := db.GetLocal(ctx, "_local/"+f.id)
			if err == nil {
				err = json.Unmarshal(doc.Body, &s)
			}
			if err != nil && !errors.Is(err, store.ErrMissing) {
				return fmt.Errorf("status of synchronization %s: %w", f.id, err)
			}
			fn(f.id, f.rev, f.d, s)
		}
		return nil
	})
}
