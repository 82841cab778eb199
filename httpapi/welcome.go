package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// welcome answers GET /. The uuid is what clients build their checkpoint ids on.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) error {
	b := append([]byte(nil), `{"couchdb":"Welcome","version":"`+wire.CouchVersion+`","git_sha":"tododb","uuid":`...)
	b = wire.AppendString(b, s.opt.UUID)
	b = append(b, `,"features":["pluggable-storage-engines"],"vendor":{"name":"tododb","version":`...)
	b = wire.AppendString(b, s.opt.Version)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "}}"...))
}
