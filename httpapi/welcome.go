package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// couchVersion is the CouchDB whose API this is. Clients parse it and choose by it
// which endpoints to use.
const couchVersion = "3.5.0"

// welcome answers GET /. The uuid is what clients build their checkpoint ids on.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) error {
	b := append([]byte(nil), `{"couchdb":"Welcome","version":"`+couchVersion+`","git_sha":"tododb","uuid":`...)
	b = wire.AppendString(b, s.opt.UUID)
	b = append(b, `,"features":["pluggable-storage-engines"],"vendor":{"name":"tododb","version":`...)
	b = wire.AppendString(b, s.opt.Version)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "}}"...))
}
