package design

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

var errPartitioned = &ShapeError{"partitioned option cannot be true in a non-partitioned database."}

// Check judges the body of a design document that is about to be written. As in CouchDB, its
// members must have the right types and the functions of its views must compile; faults in
// other functions show only when they are called. A refusal is a *ShapeError, ErrNoFunction or
// a *script.Error. err means that the body could not be judged.
func (c *Cache) Check(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	if err := CheckShape(body); err != nil {
		return err, nil
	}
	d := Parse("", body)
	if d.Partitioned && !db.Partitioned() {
		return errPartitioned, nil
	}
	if d.Language != javascript || len(d.Views) == 0 {
		return nil, nil
	}
	functions, err := d.ViewFunctions()
	if err != nil {
		return err, nil
	}
	err = c.host.Views(db.Instance(), functions, d.Lib).Check(ctx)
	if e, ok := errors.AsType[*script.Error](err); ok {
		return e, nil // no other server could do more with it
	}
	return nil, err
}
