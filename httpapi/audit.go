package httpapi

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// auditAction names what a request changes; "" if it changes nothing. Every path of the
// router that changes something has a name here, by its last part that tells.
func auditAction(method, path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch first := parts[0]; {
	case first == "_session":
		return sessionAction(method, parts)
	case readsOnly(method):
		return ""
	case first == "_replicate":
		return "replication"
	case first == "_node" && len(parts) > 2 && parts[2] == "_config", first == "_cluster_setup":
		return "configuration"
	case first == "":
		return ""
	case strings.HasPrefix(first, "_") && first != "_users" && first != "_replicator" && first != "_global_changes":
		if method == http.MethodPost && asks[first] {
			return ""
		}
		return "server"
	case len(parts) == 1:
		switch method {
		case http.MethodPut:
			return "create database"
		case http.MethodDelete:
			return "delete database"
		}
		return "write" // POST of a document
	}
	switch second := parts[1]; second {
	case "_security":
		return "security"
	case "_compact", "_view_cleanup", "_purge", "_revs_limit", "_purged_infos_limit":
		return "database"
	case "_index":
		return "index"
	case "_local":
		return "" // checkpoints, which say nothing and come by the hundred
	case "_synchronizations":
		return "replication"
	case "_design":
		return designAction(method, parts)
	default:
		if method == http.MethodPost && asks[second] {
			return ""
		}
	}
	switch parts[0] {
	case "_users":
		return "user"
	case "_replicator":
		return "replication"
	}
	return "write"
}

// designAction tells apart the writing of a design document, or of what is attached to
// one, from the use of its functions, of which two can write.
func designAction(method string, parts []string) string {
	if len(parts) <= 3 {
		return "design"
	}
	switch parts[3] {
	case "_update", "_rewrite":
		return "write"
	case "_view", "_show", "_list", "_info":
		return ""
	}
	return "design"
}

// asks are the paths at which a POST only asks.
var asks = map[string]bool{
	"_dbs_info": true, "_all_docs": true, "_design_docs": true, "_local_docs": true, "_bulk_get": true, "_changes": true,
	"_revs_diff": true, "_missing_revs": true, "_find": true, "_explain": true, "_ensure_full_commit": true, "_partition": true,
	"_search_analyze": true, "_nouveau_analyze": true,
}

func readsOnly(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func sessionAction(method string, parts []string) string {
	switch {
	case readsOnly(method):
		return ""
	case len(parts) > 1 && parts[1] != "":
		return "token"
	case method == http.MethodDelete:
		return "logout"
	}
	return "login"
}

// record adds a request that is over to the trail, if it changed something, was refused
// the change, or brought credentials that are wrong.
func (s *Server) record(x *exchange, r *http.Request, at time.Time) {
	action := auditAction(r.Method, r.URL.EscapedPath())
	refused := x.status == http.StatusUnauthorized || x.status == http.StatusForbidden
	name := x.user.Name
	if refused && name == "" && r.Header.Get("Authorization") != "" { // 403: locked out after many
		action = "authentication"
		x.note(slog.String("name", claimedName(r)))
	}
	if action == "" && readsOnly(r.Method) && len(x.notes) > 0 {
		action = "write" // a function that a GET has run, for one, may have written
	}
	// Of other answers to what the client did wrong it is known that nothing has changed.
	if action == "" || x.status >= 400 && x.status < 500 && !refused {
		return
	}
	if device := x.user.Device; device != nil {
		x.note(slog.String("device", device.Name), slog.String("token", device.ID))
	}
	if err := s.trail.Record(r.Context(), at, audit.Event{
		Action: action, User: name, Address: s.clientAddr(r).String(), Request: x.id,
		Method: r.Method, Path: r.URL.EscapedPath(), Status: x.status, More: x.notes,
	}); err != nil {
		s.log.ErrorContext(r.Context(), "audit trail", "request", x.id, "error", err)
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

// note adds to what the trail will say of a request.
func (x *exchange) note(attrs ...slog.Attr) { x.notes = append(x.notes, attrs...) }

// noteLogin notes who logs in, or claims to be somebody.
func (s *Server) noteLogin(r *http.Request, name string) {
	if s.trail.On() {
		exchangeOf(r).note(slog.String("name", name))
	}
}

// noteWritten notes how many documents were written and, if the settings want it, which
// revisions they have now.
func (s *Server) noteWritten(r *http.Request, results []store.Result) {
	if !s.trail.On() {
		return
	}
	var revisions []string
	written := 0
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		written++
		if s.set.Load().auditRevisions {
			revisions = append(revisions, results[i].ID+" "+results[i].Rev.String())
		}
	}
	x := exchangeOf(r)
	x.count("documents", written)
	x.count("refused", len(results)-written)
	if revisions != nil {
		for i := range x.notes {
			if before, ok := x.notes[i].Value.Any().([]string); ok && x.notes[i].Key == "revisions" {
				x.notes[i].Value = slog.AnyValue(append(before, revisions...))
				return
			}
		}
		x.note(slog.Any("revisions", revisions))
	}
}

// count adds to a number that the trail will tell.
func (x *exchange) count(name string, n int) {
	for i := range x.notes {
		if x.notes[i].Key == name {
			x.notes[i].Value = slog.IntValue(int(x.notes[i].Value.Int64()) + n)
			return
		}
	}
	x.note(slog.Int(name, n))
}

// noteReplication notes from where to where, without credentials.
func (s *Server) noteReplication(r *http.Request, request []byte) {
	if !s.trail.On() {
		return
	}
	spec, err := replicate.ParseSpec(request)
	if err != nil {
		return
	}
	x := exchangeOf(r)
	x.note(slog.String("source", bare(spec.Source.Name())), slog.String("target", bare(spec.Target.Name())),
		slog.Bool("continuous", spec.Continuous), slog.Bool("cancel", spec.Cancel))
}

// bare is a URL without credentials and without a query.
func bare(name string) string {
	u, err := url.Parse(name)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
