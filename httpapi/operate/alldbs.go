package operate

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
)

// AllDBs answers GET /_all_dbs. With count=true a header says how many names there are between the bounds,
// whatever skip and limit leave out: CouchDB's answer has no room for it.
func (o *Room) AllDBs(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	wanted, err := parseNameRange(query)
	if err != nil {
		return err
	}
	names, count, err := o.names(r.Context(), wanted)
	if err != nil {
		return err
	}
	if wanted.count {
		w.Header().Set("Total-Rows", strconv.Itoa(count))
	}
	b := []byte{'['}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, name)
	}
	return writeWithETag(w, r, append(b, ']'))
}

// writeWithETag sends an answer with an entity tag made from its bytes, or 304 if the client
// has it already.
func writeWithETag(w http.ResponseWriter, r *http.Request, body []byte) error {
	etag := fmt.Sprintf(`"%x"`, md5.Sum(body))
	w.Header().Set("Etag", etag)
	if wire.MatchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return wire.WriteJSON(w, r, http.StatusOK, body)
}
