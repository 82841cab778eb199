package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// Welcome answers GET /. Clients build their checkpoint ids from the uuid.
func (o *Room) Welcome(w http.ResponseWriter, r *http.Request) error {
	b := append([]byte(nil), `{"couchdb":"Welcome","version":"`+wire.CouchVersion+`","git_sha":"tododb","uuid":`...)
	b = wire.AppendString(b, o.uuid)
	b = append(b, `,"features":["partitioned","pluggable-storage-engines"],"vendor":{"name":"tododb","version":`...)
	b = wire.AppendString(b, o.version)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "}}"...))
}
