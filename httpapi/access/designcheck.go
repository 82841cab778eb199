package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/script"
)

// checkDesign checks the body of a design document before it is written (store.Guard).
func (a *Access) checkDesign(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	refusal, err = a.designs.Check(ctx, db, body)
	if e, ok := errors.AsType[*design.ShapeError](refusal); ok {
		return wire.Errorf(http.StatusBadRequest, "invalid_design_doc", "%s", e.Reason), err
	}
	if errors.Is(refusal, design.ErrNoFunction) {
		return wire.Errorf(http.StatusNotFound, "not_found", "missing function"), err
	}
	if e, ok := errors.AsType[*script.Error](refusal); ok && e.Kind == script.Compilation {
		return wire.Errorf(http.StatusBadRequest, "compilation_error", "%s", e.Reason), err
	}
	if refusal == nil && err == nil {
		err = mango.CheckValidation(body)
		if e, ok := errors.AsType[*mango.Error](err); ok {
			return wire.Errorf(http.StatusBadRequest, e.Word, "%s", e.Reason), nil
		}
	}
	return refusal, err
}
