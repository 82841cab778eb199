package httpapi

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/httpapi/documents"
	"github.com/tododb/tododb/httpapi/wire"
)

// unrecorded is the action of checkpoints, which say nothing and come by the hundred.
const unrecorded = ""

// actionOf names what a request changes; "" if it changes nothing. v is the verb of its method
// at its path, nil if the path has no such method.
func actionOf(v *Verb, r *http.Request) string {
	if v != nil && v.Action == "backup" && r.Method == http.MethodGet {
		return v.Action // it changes nothing, and takes everything away
	}
	if v == nil || readsOnly(r.Method) {
		return ""
	}
	if v.Action != "write" {
		return v.Action
	}
	db, _ := wire.Segment(r, "db") // a name that cannot be unescaped cannot be written either
	id, _ := wire.Segment(r, "doc")
	if r.Method == "COPY" {
		id = documents.CopyTo(r)
	}
	switch {
	case strings.HasPrefix(id, "_design/"):
		return "design"
	case strings.HasPrefix(id, "_local/"):
		return unrecorded
	case db == "_users":
		return "user"
	case db == "_replicator":
		return "replication"
	}
	return "write"
}

// foreseen is the action that a request would have had if it is refused before a route answers
// it: the trail records refused requests too. rt is the line that its path leads to.
func (s *Server) foreseen(r *http.Request, rt *Route) string {
	if path, _, is := slashed(r); is {
		if u, err := r.URL.Parse(path); err == nil {
			next := *r
			next.URL = u
			r, rt = s.find(&next)
		}
	}
	return actionOf(rt.verb(r.Method), r)
}

func readsOnly(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// record adds a finished request to the trail if it changed something, was refused a change, or
// brought wrong credentials.
func (s *Server) record(x *wire.Exchange, r *http.Request, at time.Time) {
	action := x.Action
	refused := x.Status == http.StatusUnauthorized || x.Status == http.StatusForbidden
	name := x.User.Name
	if refused && name == "" && r.Header.Get("Authorization") != "" { // 403: locked out after many
		action = "authentication"
		x.Note(slog.String("name", claimedName(r)))
	}
	if action == "" && readsOnly(r.Method) && len(x.Notes) > 0 {
		action = "write" // it has written something: a GET may run a function that does
	}
	// After any other client error, nothing has changed.
	if action == "" || x.Status >= 400 && x.Status < 500 && !refused {
		return
	}
	if device := x.User.Device; device != nil {
		x.Note(slog.String("device", device.Name), slog.String("token", device.ID))
	}
	if err := s.trail.Record(r.Context(), at, audit.Event{
		Action: action, User: name, Address: s.shared.ClientAddr(r).String(), Request: x.ID,
		Method: r.Method, Path: r.URL.EscapedPath(), Status: x.Status, More: x.Notes,
	}); err != nil {
		s.log.ErrorContext(r.Context(), "audit trail", "request", x.ID, "error", err)
	}
}

// claimedName is the name in a Basic header.
func claimedName(r *http.Request) string {
	_, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	name, _, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return ""
	}
	return name
}
