package access

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
)

// checkDesign checks the body of a design document before it is written (store.Guard).
func (a *Access) checkDesign(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	if refusal, err = a.designs.Check(ctx, db, body); refusal != nil || err != nil {
		return refusal, err
	}
	err = mango.CheckValidation(body)
	if e, ok := errors.AsType[*mango.Error](err); ok {
		return e, nil
	}
	return nil, err
}
