package design

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// Check judges the body of a design document that is about to be written. As in CouchDB its
// members have to be of the right types, and the functions of views have to compile; what
// other functions are worth shows when they are called. A refusal is a *ShapeError,
// ErrNoFunction or a *script.Error. An error means that it could not be found out.
func (c *Cache) Check(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	if err := CheckShape(body); err != nil {
		return err, nil
	}
	d := Parse("", body)
	if d.Language != javascript || len(d.Views) == 0 {
		return nil, nil
	}
	functions, err := d.ViewFunctions()
	if err != nil {
		return err, nil
	}
	err = c.host.Views(db.Instance(), functions, d.Lib).Check(ctx)
	if e, ok := errors.AsType[*script.Error](err); ok {
		return e, nil // no other server would get further with it
	}
	return nil, err
}
