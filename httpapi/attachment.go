package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var (
	errNoAttachment    = errorf(http.StatusNotFound, "not_found", "Document is missing attachment")
	errMissingRev      = errorf(http.StatusConflict, "not_found", "missing_rev")
	errLocalAttachment = badRequest("_local documents do not accept attachments.")
)

// attachmentMethods is what can be done with an attachment. None can be stored yet, so
// that reading one finds none.
func (s *Server) attachmentMethods() methods {
	return on("DELETE,GET,HEAD,PUT", "GET", s.getAttachment, "PUT", s.putAttachment, "DELETE", s.deleteAttachment)
}

// attachmentTarget reads from the path whose attachment is meant, and its name, and
// opens the database.
func (s *Server) attachmentTarget(r *http.Request, write bool) (db *store.DB, id, name string, err error) {
	if id, err = docID(r); err != nil {
		return nil, "", "", err
	}
	want := reader
	if write {
		want = accessTo(id)
	}
	if db, err = s.openDB(r, want); err != nil {
		return nil, "", "", err
	}
	vars := mux.Vars(r)
	part := vars["att"]
	if part == "" {
		part = vars["rest"] // behind a design document
	}
	switch name, err = url.QueryUnescape(part); {
	case err != nil:
		err = errURLEncoding
	case id == "_local":
		err = errLocalAttachment
	default:
		err = document.ValidID(id)
	}
	if err != nil {
		db.Release()
		return nil, "", "", err
	}
	return db, id, name, nil
}

func (s *Server) getAttachment(_ http.ResponseWriter, r *http.Request) error {
	db, id, _, err := s.attachmentTarget(r, false)
	if err != nil {
		return err
	}
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	if _, err := db.Get(r.Context(), id, store.ReadOptions{Rev: q.rev, NoBody: true}); err != nil {
		return err
	}
	return errNoAttachment
}

func (s *Server) putAttachment(_ http.ResponseWriter, r *http.Request) error {
	db, id, name, err := s.attachmentTarget(r, true)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := editsAttachment(r, db, id, true); err != nil {
		return err
	}
	if strings.HasPrefix(name, "_") {
		return badRequest("Attachment name '%s' starts with prohibited character '_'", name)
	}
	return errNotBuilt
}

func (s *Server) deleteAttachment(_ http.ResponseWriter, r *http.Request) error {
	db, id, _, err := s.attachmentTarget(r, true)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := editsAttachment(r, db, id, false); err != nil {
		return err
	}
	return errNoAttachment
}

// editsAttachment tells whether the revision that a request names can be edited.
// Without one CouchDB makes a new document, but will not replace one that is there.
func editsAttachment(r *http.Request, db *store.DB, id string, put bool) error {
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	rev, err := editRev(r, &q, q.rev, q.hasRev)
	if err != nil {
		return err
	}
	_, err = db.Get(r.Context(), id, store.ReadOptions{Rev: rev, NoBody: true})
	switch {
	case !rev.IsZero() && errors.Is(err, store.ErrMissing):
		return errMissingRev
	case put && rev.IsZero() && err == nil:
		return store.ErrConflict
	case put && rev.IsZero() && (errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted)):
		return nil
	}
	return err
}

// designFunctions are the paths below a design document that are not attachments.
var designFunctions = map[string]bool{
	"_view": true, "_show": true, "_list": true, "_update": true, "_rewrite": true, "_info": true,
	"_search": true, "_search_info": true, "_nouveau": true, "_nouveau_info": true,
}

// designRest answers what lies below a design document: its functions, which are not
// built yet, and its attachments.
func (s *Server) designRest() methods {
	attachment := s.handle(s.attachmentMethods())
	return always(func(w http.ResponseWriter, r *http.Request) error {
		function, _, _ := strings.Cut(mux.Vars(r)["rest"], "/")
		if designFunctions[function] {
			return s.unbuiltInDB(w, r)
		}
		attachment.ServeHTTP(w, r)
		return nil
	})
}
