package store

import (
	"context"
	"errors"
	"strings"

	"github.com/tododb/tododb/store/engine"
)

func isDesign(id string) bool { return strings.HasPrefix(id, "_design/") }

// MayEdit asks the guard, before there is an edit, whether it would accept any edit of this
// document. The error is its refusal. The transaction that writes asks again.
func (db *DB) MayEdit(ctx context.Context, id string) error {
	if !isDesign(id) {
		return nil
	}
	refusal, err := db.administers(ctx)
	if err == nil {
		err = refusal
	}
	return err
}

// administers asks the guard whether the handle's user administers the database.
func (db *DB) administers(ctx context.Context) (refusal, err error) {
	if db.guard == nil || db.guard.Admin == nil {
		return nil, nil
	}
	err = db.view(ctx, func(r engine.Reader) error {
		refusal, err = db.mayAdminister(r)
		return err
	})
	return refusal, err
}

// mayAdminister is administers within a transaction, with its security object.
func (db *DB) mayAdminister(r engine.Reader) (refusal, err error) {
	if db.guard == nil || db.guard.Admin == nil {
		return nil, nil
	}
	security, err := db.securityIn(r)
	if err != nil {
		return nil, err
	}
	return db.guard.Admin(security), nil
}

// takes judges an edit; a refusal concerns that edit alone. by is what Guard.Write judged by.
func (db *DB) takes(ctx context.Context, e *Edit, opt WriteOptions, look *standings) (by stoodBy, refusal, err error) {
	if db.guard == nil {
		return by, nil, nil
	}
	if isDesign(e.Doc.ID) {
		if refusal, err := db.administers(ctx); refusal != nil || err != nil {
			return by, refusal, err
		}
		if db.guard.Design != nil && !e.Doc.Deleted {
			if refusal, err := db.guard.Design(ctx, db, e.Doc.Body); refusal != nil || err != nil {
				return by, refusal, err
			}
		}
	}
	if db.guard.Write == nil {
		return by, nil, nil
	}
	now, by, err := look.of(ctx, db, &e.Doc, opt.Replicated)
	if err != nil {
		return by, nil, err
	}
	refusal = db.guard.Write(ctx, now, e, opt)
	if _, unjudged := errors.AsType[*Unjudged](refusal); unjudged {
		return by, nil, refusal
	}
	return by, refusal, nil
}
