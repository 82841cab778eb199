package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/tododb/tododb/httpapi/wire"
)

// maxUUIDs is how many GET /_uuids gives at once.
const maxUUIDs = 1000

// uuids makes document ids as CouchDB's "sequential" algorithm does: 26 random hex
// digits that stay for a while, then 6 that grow by random steps. Ids made one after
// another are neighbours on disk, so writing them touches few pages.
type uuids struct {
	mu     sync.Mutex // guards what follows
	prefix [13]byte
	next   uint32 // the last 24 bits
}

func newUUIDs() *uuids {
	u := &uuids{}
	u.renew()
	return u
}

func (u *uuids) renew() {
	rand.Read(u.prefix[:])
	u.prefix[0] &= 0x7f // ids begin with a digit: they sort before those that are words
	u.next = mathrand.Uint32N(0x1000)
}

// append appends the 32 digits of a new one.
func (u *uuids) append(b []byte) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next += 1 + mathrand.Uint32N(0xffe); u.next > 0xffffff {
		u.renew()
	}
	b = hex.AppendEncode(b, u.prefix[:])
	return hex.AppendEncode(b, []byte{byte(u.next >> 16), byte(u.next >> 8), byte(u.next)})
}

// newID makes an id for a document that came without one.
func (s *Server) newID() string { return string(s.uuids.append(make([]byte, 0, 32))) }

// getUUIDs answers GET /_uuids. What it gives is for one client, so nothing between
// may keep it.
func (s *Server) getUUIDs(w http.ResponseWriter, r *http.Request) error {
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
		b = append(s.uuids.append(append(b, '"')), '"')
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Mon, 01 Jan 1990 00:00:00 GMT")
	h.Set("Etag", fmt.Sprintf("%q", s.newID()))
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
