package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tododb/tododb/httpapi/documents"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// unknownOnServer answers a path that no other line of the table has. All such paths begin
// with an underscore, so to CouchDB each names a database that cannot exist, and is for
// administrators.
func (s *Server) unknownOnServer(_ http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPut && !strings.Contains(name, "/") {
		return wire.BadDBName(name)
	}
	return store.ErrNoDB
}

// unbuiltForAdmin answers paths that CouchDB has for administrators and this server lacks.
func (s *Server) unbuiltForAdmin(http.ResponseWriter, *http.Request) error { return wire.ErrNotBuilt }

// unbuiltInDB answers paths that CouchDB has in a database and this server lacks. Only users of
// the database get this answer.
func (s *Server) unbuiltInDB(_ http.ResponseWriter, r *http.Request) error {
	db, err := s.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	return wire.ErrNotBuilt
}

// missingInDB says that a path does not exist, but only to users of its database.
func (s *Server) missingInDB(_ http.ResponseWriter, r *http.Request) error {
	db, err := s.access.Open(r)
	if err != nil {
		return err
	}
	db.Release()
	return store.ErrMissing
}

// tempView answers the path of temporary views, which CouchDB once had.
func (s *Server) tempView(http.ResponseWriter, *http.Request) error {
	return wire.Errorf(http.StatusGone, "gone", "Temporary views are not supported in CouchDB")
}

// unknownInDB answers a path in a database that begins with an underscore and is not an
// endpoint. It is either a design or local document with its slash escaped, or a document
// that cannot exist.
func (s *Server) unknownInDB(w http.ResponseWriter, r *http.Request) error {
	name, err := wire.Segment(r, "name")
	if err != nil {
		return err
	}
	rest, _ := wire.Part(r, "rest")
	if path, kind, is := slashed(r); is {
		if kind == "_design" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			if r.URL.RawQuery != "" {
				path += "?" + r.URL.RawQuery
			}
			w.Header().Set("Location", wire.Absolute(r, path))
			w.WriteHeader(http.StatusMovedPermanently)
			return nil
		}
		return s.reroute(w, r, path)
	}
	if bare := name == "_local" && rest == ""; bare || s.toDocument.verb(r.Method) != nil && r.Method != http.MethodPost && name != "_local" {
		db, err := s.access.Open(r)
		if err != nil {
			return err
		}
		defer db.Release()
		if bare {
			return documents.ErrBadLocalID
		}
		if r.Method == http.MethodPut {
			return document.ValidID(name)
		}
		return store.ErrMissing // it cannot exist
	}
	part, _ := wire.Part(r, "name")
	wire.SetPart(r, "doc", part)
	if rest := strings.TrimPrefix(rest, "/"); rest != "" {
		wire.SetPart(r, "att", rest)
		return s.answer(&s.toAttachment, w, r)
	}
	return s.answer(&s.toDocument, w, r)
}

// slashed tells whether the path of a request names a design or local document with its slash
// escaped. It returns the path with a plain slash, and which of the two kinds it is.
func slashed(r *http.Request) (path, kind string, is bool) {
	part, named := wire.Part(r, "name")
	if !named {
		return "", "", false
	}
	name, err := wire.Unescape(r, part)
	kind, id, cut := strings.Cut(name, "/")
	if err != nil || !cut || id == "" || kind != "_design" && kind != "_local" {
		return "", "", false
	}
	db, _ := wire.Part(r, "db")
	rest, _ := wire.Part(r, "rest")
	return "/" + db + "/" + kind + "/" + strings.ReplaceAll(url.QueryEscape(id), "+", "%20") + rest, kind, true
}

// reroute serves a request under another path, escaped as a path is.
func (s *Server) reroute(w http.ResponseWriter, r *http.Request, path string) error {
	u, err := r.URL.Parse(path)
	if err != nil {
		return wire.ErrURLEncoding
	}
	next := *r
	next.URL = u
	next.URL.RawQuery = r.URL.RawQuery
	cleanPath(&next)
	s.inside(w, &next)
	return nil
}
