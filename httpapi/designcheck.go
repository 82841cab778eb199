package httpapi

import (
	"errors"
	"net/http"

	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// checkDesign judges the body of a design document before it is written. As in CouchDB its
// members have to be of the right types, and the functions of views have to compile; what
// other functions are worth shows when they are called.
func (s *Server) checkDesign(body []byte) error {
	err := design.CheckShape(body)
	if e, ok := errors.AsType[*design.ShapeError](err); ok {
		return errorf(http.StatusBadRequest, "invalid_design_doc", "%s", e.Reason)
	}
	if errors.Is(err, design.ErrNoFunction) {
		return errorf(http.StatusNotFound, "not_found", "missing function")
	}
	if err != nil {
		return err
	}
	d, err := view.ParseDesign("", body)
	if err != nil || d.Language != "javascript" || len(d.Views) == 0 {
		return err
	}
	sources := make([]script.ViewFunctions, len(d.Views))
	for i, v := range d.Views {
		if sources[i].Map, err = jsonscan.Text(v.Map); err != nil {
			return err
		}
		sources[i].Name, sources[i].Reduce = v.Name, v.Reduce
	}
	views, err := script.CompileViews(sources, d.Lib, s.functions.Options())
	if err == nil {
		err = views.Check()
	}
	if e, ok := errors.AsType[*script.Error](err); ok {
		return errorf(http.StatusBadRequest, "compilation_error", "%s", e.Reason)
	}
	return err
}
