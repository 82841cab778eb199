package operate

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/tododb/tododb/httpapi/wire"
)

// Welcome answers GET /. Clients build their checkpoint ids from the uuid.
func (o *Room) Welcome(w http.ResponseWriter, r *http.Request) error {
	b := append([]byte(nil), `{"couchdb":"Welcome","version":"`+wire.CouchVersion+`","git_sha":"tododb","uuid":`...)
	b = wire.AppendString(b, cmp.Or(o.config.String("couchdb", "uuid"), o.uuid))
	b = append(b, `,"features":["partitioned","pluggable-storage-engines"],"vendor":`...)
	b = append(b, o.settings().vendor(o.version)...)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}

// vendor describes who made this server, as the settings say.
func (s *settings) vendor(version string) []byte {
	names := map[string]string{"name": "tododb", "version": version}
	maps.Copy(names, s.vendorNames)
	b := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(names)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(append(wire.AppendString(b, name), ':'), names[name])
	}
	return append(b, '}')
}
