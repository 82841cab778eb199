package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/store"
)

// compact answers POST _compact: the work goes on behind the answer. Compaction of a
// design document's indexes comes with the indexes.
func (s *Server) compact(w http.ResponseWriter, r *http.Request) error {
	db, err := s.openDB(r, dbAdmin)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := requireJSON(r); err != nil {
		return err
	}
	if name := strings.TrimPrefix(mux.Vars(r)["rest"], "/"); name != "" {
		if err := s.compactIndexes(r, db, name); err != nil {
			return err
		}
	} else {
		db.StartCompact()
	}
	return writeJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
}

// compactIndexes finds the design document; there are no indexes to compact yet.
func (s *Server) compactIndexes(r *http.Request, db *store.DB, name string) error {
	name, err := url.QueryUnescape(name)
	if err != nil {
		return errURLEncoding
	}
	_, err = db.Get(r.Context(), "_design/"+name, store.ReadOptions{NoBody: true})
	return err
}

// ensureFullCommit has nothing to do: what was acknowledged is on disk.
func (s *Server) ensureFullCommit(w http.ResponseWriter, r *http.Request) error {
	db, err := s.openDB(r, reader)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := requireJSON(r); err != nil {
		return err
	}
	info, err := db.Info(r.Context())
	if err != nil {
		return err
	}
	b := strconv.AppendInt([]byte(`{"ok":true,"instance_start_time":"`), info.Created.Unix(), 10)
	return writeJSON(w, r, http.StatusCreated, append(b, `"}`...))
}
