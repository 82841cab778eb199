package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
)

// checkDesign judges the body of a design document before it is written. As in CouchDB its
// members have to be of the right types, and the functions of views have to compile; what
// other functions are worth shows when they are called. An error means that it could not be
// found out.
func (s *Server) checkDesign(ctx context.Context, db *store.DB, body []byte) (refusal, err error) {
	err = design.CheckShape(body)
	if e, ok := errors.AsType[*design.ShapeError](err); ok {
		return errorf(http.StatusBadRequest, "invalid_design_doc", "%s", e.Reason), nil
	}
	if errors.Is(err, design.ErrNoFunction) {
		return errorf(http.StatusNotFound, "not_found", "missing function"), nil
	}
	if err != nil {
		return err, nil
	}
	d, err := view.ParseDesign("", body)
	if err != nil || d.Language != "javascript" || len(d.Views) == 0 {
		return err, nil
	}
	sources, err := javascript.Sources(d)
	if err != nil {
		return err, nil
	}
	err = s.functions.Host().Views(db.Instance(), sources, d.Lib).Check(ctx)
	if e, ok := errors.AsType[*script.Error](err); ok && e.Kind == script.Compilation {
		return errorf(http.StatusBadRequest, "compilation_error", "%s", e.Reason), nil
	} else if ok {
		return e, nil // no other server would get further with it
	}
	return nil, err
}
