package httpapi

import (
	"net/http"
	"strconv"

	"github.com/gorilla/mux"
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
	if len(mux.Vars(r)["rest"]) > 1 {
		return errNotBuilt
	}
	db.StartCompact()
	return writeJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
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
