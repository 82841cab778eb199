package design

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

var errPartitioned = &ShapeError{"partitioned option cannot be true in a non-partitioned database."}

// Refusal says why a design document may not be written. Err is a *ShapeError, ErrNoFunction or
// a *script.Error.
type Refusal struct{ Err error }

func (e *Refusal) Error() string { return e.Err.Error() }
func (e *Refusal) Unwrap() error { return e.Err }

// Check judges the body of a design document that is about to be written. As in CouchDB, its
// members must have the right types and the functions of its views must compile; faults in
// other functions show only when they are called. A refusal is a *Refusal. err means that the
// body could not be judged.
func (c *Cache) Check(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	if err := CheckShape(body); err != nil {
		return &Refusal{err}, nil
	}
	d := Parse("", body)
	if d.Partitioned && !db.Partitioned() {
		return &Refusal{errPartitioned}, nil
	}
	if d.Language != javascript || len(d.Views) == 0 {
		return nil, nil
	}
	functions, err := d.ViewFunctions()
	if err != nil {
		return &Refusal{err}, nil
	}
	err = c.host.Views(db.Instance(), functions, d.Lib).Check(ctx)
	if e, ok := errors.AsType[*script.Error](err); ok {
		return &Refusal{e}, nil // no other server could do more with it
	}
	return nil, err
}
