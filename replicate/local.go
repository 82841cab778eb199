package replicate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/script"
)

// localPeer is a database of this server.
type localPeer struct {
	store   *store.Store
	filters *filter.Opener // nil: functions do not run here
	name    string
	// instance is which database it is (store.DB.Was): one that is made later under the name is none of it. "": it is.
	instance string
	user     string // for whom it is opened
	open     func(context.Context) (*store.DB, error)
	newDB    url.Values // how to create it

	mayNotCreate bool
}

// Everything returns an Options.Open that lets everybody do everything. It is for people who
// have access to the folder of the databases anyway.
func Everything(s *store.Store) func(ctx context.Context, name string, user User) (*store.DB, error) {
	return func(ctx context.Context, name string, _ User) (*store.DB, error) {
		db, err := s.Bare(ctx, name, store.ForFolder)
		return db.Unguarded(), err
	}
}

func (p *localPeer) db(ctx context.Context) (*store.DB, error) {
	if store.Hidden(p.name) {
		return nil, store.ErrNoDB // it contains other people's credentials
	}
	db, err := p.open(ctx)
	if err == nil && p.instance != "" && !db.Was(p.instance) {
		db.Release()
		return nil, store.ErrNoDB
	}
	return db, err
}

func (p *localPeer) Name() string { return p.name }
func (p *localPeer) Close()       {}

// with opens the database for the length of a call, so a waiting job keeps nothing open.
func (p *localPeer) with(ctx context.Context, fn func(*store.DB) error) error {
	db, err := p.db(ctx)
	if errors.Is(err, store.ErrNoDB) {
		return ErrNoDB
	}
	if err != nil {
		return err
	}
	defer db.Release()
	err = fn(db)
	if errors.Is(err, store.ErrReplaced) {
		return err // the next call has the new one
	}
	if errors.Is(err, store.ErrNoDB) {
		return ErrNoDB
	}
	if e, bad := errors.AsType[*document.Error](err); bad { // a partitioned database refuses an id, as a remote one does
		return &StatusError{Status: http.StatusBadRequest, Word: "illegal_docid", Reason: e.Reason}
	}
	return err
}

func (p *localPeer) Info(ctx context.Context) (out Info, err error) {
	err = p.with(ctx, func(db *store.DB) error {
		newest, err := db.UpdateSeq(ctx)
		out = Info{UpdateSeq: db.Seq(newest).String(), Opened: db.Instance() + string(db.AppendStartTime(nil)), Steady: true}
		return err
	})
	return out, err
}

func (p *localPeer) Holds(ctx context.Context, seq string) (ok bool, err error) {
	err = p.with(ctx, func(db *store.DB) error {
		s, err := store.ReadSeq(seq)
		if err != nil {
			return err
		}
		n, err := db.Common(ctx, s)
		ok = n == s.N
		return err
	})
	return ok, err
}

func (p *localPeer) Create(ctx context.Context) error {
	if p.mayNotCreate {
		return ErrForbidden
	}
	if store.Hidden(p.name) {
		return ErrNoDB
	}
	var properties store.Properties
	switch p.newDB.Get("partitioned") {
	case "true":
		properties.Partitioned = true
	case "", "false":
	default:
		return &StatusError{Status: http.StatusBadRequest, Word: "bad_request", Reason: "Invalid `partitioned` parameter"}
	}
	err := p.store.CreateWith(ctx, p.name, properties)
	switch {
	case errors.Is(err, store.ErrDBExists):
		return nil
	case errors.Is(err, store.ErrSystemDB):
		return &StatusError{Status: http.StatusBadRequest, Word: "bad_request", Reason: "Cannot partition a system database"}
	}
	return err
}

func (p *localPeer) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (end ChangesEnd, err error) {
	ctx = script.WithAsker(ctx, func() string { return p.user })
	err = p.with(ctx, func(db *store.DB) error {
		since := uint64(0)
		if q.Since != "" {
			if since, err = db.ParseSeq(ctx, q.Since); err != nil {
				return err
			}
		}
		if q.Wait > 0 && numberOf(q.Since) <= since { // else the database was put back after the last call, which is told at once
			timer := time.NewTimer(q.Wait)
			defer timer.Stop()
			select {
			case <-db.Changed(since):
			case <-timer.C:
			case <-db.Gone():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		filter, err := p.openFilter(ctx, db, &q)
		if err != nil {
			return err
		}
		defer filter.Release()
		read := store.ChangesQuery{Since: since, Limit: q.Limit, AllLeaves: !q.Winners}
		// fn may block, so it is called only after the snapshot has been released.
		var page []Change
		gathered := 0
		last, err := filter.Changes(ctx, read, func(c *store.Change) error {
			page = append(page, Change{Seq: db.Seq(c.Seq).String(), ID: string(c.ID), Revs: append([]revtree.Rev(nil), c.Revs...)})
			return nil
		}, func() error {
			for _, c := range page {
				if err := fn(c); err != nil {
					return err
				}
				end.LastSeq, gathered = c.Seq, gathered+c.bytes()
			}
			end.Rows += len(page)
			page = page[:0]
			if gathered >= batchBytes {
				return errBatchFull
			}
			return nil
		}, func() error { return nil })
		if errors.Is(err, errBatchFull) {
			end.Full, end.Pending = true, -1
			return nil
		}
		end.LastSeq, end.Pending = db.Seq(last.Last).String(), int64(last.Pending)
		return err
	})
	return end, err
}

func (p *localPeer) Missing(ctx context.Context, changes []Change) (out []Wanted, err error) {
	ids := make([]string, len(changes))
	revs := make([][]revtree.Rev, len(changes))
	for i, c := range changes {
		ids[i], revs[i] = c.ID, c.Revs
	}
	err = p.with(ctx, func(db *store.DB) error {
		out = nil
		return db.RevsDiff(ctx, ids, revs, func(i int, missing, ancestors []revtree.Rev) error {
			if len(missing) > 0 {
				out = append(out, Wanted{ID: ids[i], Revs: missing, Ancestors: ancestors})
			}
			return nil
		})
	})
	return out, err
}

func (p *localPeer) Fetch(ctx context.Context, wanted []Wanted, fn func(*Revision) error) error {
	return p.with(ctx, func(db *store.DB) error {
		for _, w := range wanted {
			found, err := db.OpenRevs(ctx, w.ID, w.Revs, store.ReadOptions{Revs: true, Latest: true})
			if err != nil {
				return err
			}
			for _, f := range found {
				if f.Doc == nil {
					continue
				}
				if err := fn(storedRevision(f.Doc)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (p *localPeer) Store(ctx context.Context, revs []*Revision) (refused []Refusal, err error) {
	limit := p.store.Limits().MaxDocumentSize
	edits := make([]store.Edit, 0, len(revs))
	for _, r := range revs {
		if err := r.Doc.CheckSize(limit); err != nil {
			refused = append(refused, Refusal{ID: r.Doc.ID, Reason: err.Error()})
			continue
		}
		edits = append(edits, store.Edit{Doc: r.Doc})
	}
	err = p.with(ctx, func(db *store.DB) error {
		results, err := db.Write(ctx, edits, store.WriteOptions{Replicated: true})
		for _, r := range results {
			if r.Err != nil {
				refused = append(refused, Refusal{ID: r.ID, Reason: r.Err.Error()})
			}
		}
		return err
	})
	return refused, err
}

func (p *localPeer) GetLocal(ctx context.Context, id string) (body []byte, err error) {
	err = p.with(ctx, func(db *store.DB) error {
		doc, err := db.GetLocal(ctx, "_local/"+id)
		if errors.Is(err, store.ErrMissing) {
			return errMissing
		}
		if err == nil {
			body = doc.Body
		}
		return err
	})
	return body, err
}

func (p *localPeer) PutLocal(ctx context.Context, id string, body []byte) error {
	doc, err := document.Parse(body, document.Options{Local: true})
	if err != nil {
		return err
	}
	doc.ID = "_local/" + id
	return p.with(ctx, func(db *store.DB) error {
		// Any revision is accepted; the current one makes the number grow.
		if old, err := db.GetLocal(ctx, doc.ID); err == nil {
			doc.Rev = old.Rev
		} else if !errors.Is(err, store.ErrMissing) {
			return err
		}
		_, err := db.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{})
		return err
	})
}
