package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/store"
)

// Compactions that somebody asked for are tasks, of a database and of an index.
func TestAskedCompactionsAreTasks(t *testing.T) {
	s := openServer(t, httpapi.Options{})
	_, over := s.Store.NoteCompaction(t.Context(), store.AskedCompaction{DB: "db", Total: 100})
	wants(t, call(s, "GET", "/_active_tasks", "", "Admin", ""), http.StatusOK, `"type":"database_compaction"`)
	over()
	_, over = s.Store.NoteCompaction(t.Context(), store.AskedCompaction{DB: "db", Index: "_design/d", Total: 100})
	wants(t, call(s, "GET", "/_active_tasks", "", "Admin", ""), http.StatusOK, `"design_document":"_design/d"`)
	over()
	wants(t, call(s, "GET", "/_active_tasks", "", "Admin", ""), http.StatusOK, `[]`)
}
