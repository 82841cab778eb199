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

// errTakenOver says that another process has begun to run a synchronization.
var errTakenOver = errors.New("another process runs the synchronization")

// saveStatus writes a status, unless another process has claimed it since.
func (r records) saveStatus(ctx context.Context, id string, s *status) error {
	return r.updateStatus(ctx, id, func(there *status) (*status, error) {
		if there.Token > s.Token {
			return nil, errTakenOver
		}
		return s, nil
	})
}

// claimStatus reads a status for a process that is to run the synchronization. From then on those that
// ran it before cannot save theirs.
func (r records) claimStatus(ctx context.Context, id string, token uint64) (s status, err error) {
	err = r.updateStatus(ctx, id, func(there *status) (*status, error) {
		there.Token = max(token, there.Token+1)
		s = *there
		return there, nil
	})
	return s, err
}

func (r records) updateStatus(ctx context.Context, id string, fn func(there *status) (*status, error)) error {
	return r.with(ctx, func(db store.Bare) error {
		return db.UpdateLocal(ctx, "_local/"+id, func(old []byte) ([]byte, error) {
			there := newStatus(waiting)
			if old != nil {
				if err := json.Unmarshal(old, &there); err != nil {
					return nil, err
				}
			}
			next, err := fn(&there)
			if err != nil {
				return nil, err
			}
			return replicate.Marshal(next), nil
		})
	})
}

// status reads a status.
func (r records) status(ctx context.Context, id string) (s status, err error) {
	err = r.with(ctx, func(db store.Bare) error {
		s, err = readStatus(ctx, db, id)
		return err
	})
	return s, err
}

func readStatus(ctx context.Context, db store.Bare, id string) (status, error) {
	s := newStatus(waiting)
	doc, err := db.GetLocal(ctx, "_local/"+id)
	if err == nil {
		err = json.Unmarshal(doc.Body, &s)
	}
	if err != nil && !errors.Is(err, store.ErrMissing) {
		return s, fmt.Errorf("status of synchronization %s: %w", id, err)
	}
	return s, nil
}

// revision is that of a definition. The error is ErrNone if it is gone.
func (r records) revision(ctx context.Context, id string) (rev revtree.Rev, err error) {
	err = r.with(ctx, func(db store.Bare) error {
		doc, err := db.Get(ctx, id, store.ReadOptions{NoBody: true})
		if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
			return ErrNone
		}
		if err == nil {
			rev = doc.Rev
		}
		return err
	})
	return rev, err
}

// remove deletes a definition.
func (r records) remove(ctx context.Context, id string, rev revtree.Rev) error {
	_, err := r.write(ctx, id, rev, nil, true)
	return err
}

// removeStatus deletes the status of a synchronization that nobody runs any more.
func (r records) removeStatus(ctx context.Context, id string) error {
	return r.with(ctx, func(db store.Bare) error {
		return db.UpdateLocals(ctx, func(l *store.Locals) error {
			l.Delete("_local/" + id)
			return nil
		})
	})
}

// found is a definition that was read.
type found struct {
	id      string
	rev     revtree.Rev
	deleted bool
	d       definition
}

// since reads the definitions that have changed after a sequence.
func since(ctx context.Context, db store.Bare, seq uint64) (list []found, last uint64, err error) {
	end, err := db.Changes(ctx, store.ChangesQuery{Since: seq, Limit: -1, IncludeDocs: true}, func(c *store.Change) error {
		f := found{id: string(c.ID), rev: c.Revs[0], deleted: c.Deleted}
		if !c.Deleted {
			if err := json.Unmarshal(c.Doc.Body, &f.d); err != nil {
				return fmt.Errorf("synchronization %s: %w", f.id, err)
			}
		}
		list = append(list, f)
		return nil
	}, func() error { return nil })
	return list, end.Last, err
}

// all reads every synchronization.
func (r records) all(ctx context.Context, fn func(id string, rev revtree.Rev, d definition, s status)) error {
	if there, err := r.store.Exists(ctx, store.SynchronizationsDB); !there || err != nil {
		return err // no need to create it
	}
	return r.with(ctx, func(db store.Bare) error {
		list, _, err := since(ctx, db, 0)
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.deleted {
				continue
			}
			s, err := readStatus(ctx, db, f.id)
			if err != nil {
				return err
			}
			fn(f.id, f.rev, f.d, s)
		}
		return nil
	})
}
