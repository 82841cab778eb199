package operate

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/uuids"
	"github.com/tododb/tododb/httpapi/wire"
)

// UUIDs answers GET /_uuids. The ids are for one client, so no cache may keep them.
func (o *Room) UUIDs(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	count := 1
	for _, p := range query.List {
		if p.Name == "count" { // if it is repeated, the first one counts
			if count, err = parseCount(p.Value, o.settings().maxUUIDs); err != nil {
				return err
			}
			break
		}
	}
	b := append(make([]byte, 0, 16+35*min(count, 1000)), `{"uuids":[`...)
	for i := range count {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, o.uuids.ID())
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Mon, 01 Jan 1990 00:00:00 GMT")
	h.Set("Etag", fmt.Sprintf("%q", uuids.Random()))
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "]}"...))
}

func parseCount(text string, most int) (int, error) {
	digits := strings.TrimPrefix(text, "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, wire.BadRequest("count must be a positive integer")
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > most {
		return 0, wire.BadRequest("count parameter too large")
	}
	return n, nil
}
