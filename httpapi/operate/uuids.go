package operate

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
)

// maxUUIDs is how many GET /_uuids gives at once.
const maxUUIDs = 1000

// UUIDs answers GET /_uuids. The ids are for one client, so no cache may keep them.
func (o *Room) UUIDs(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	count := 1
	for _, p := range query.List {
		if p.Name == "count" { // here the first one counts
			if count, err = parseCount(p.Value); err != nil {
				return err
			}
			break
		}
	}
	b := append(make([]byte, 0, 16+35*count), `{"uuids":[`...)
	for i := range count {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(o.uuids.Append(append(b, '"')), '"')
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Mon, 01 Jan 1990 00:00:00 GMT")
	h.Set("Etag", fmt.Sprintf("%q", o.uuids.ID()))
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "]}"...))
}

func parseCount(text string) (int, error) {
	digits := strings.TrimPrefix(text, "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, wire.BadRequest("count must be a positive integer")
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxUUIDs {
		return 0, wire.BadRequest("count parameter too large")
	}
	return n, nil
}
