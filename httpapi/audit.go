package httpapi

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/httpapi/wire"
)

// auditAction names what a request changes; "" if it changes nothing. Every route that changes
// something has a name here, by the last significant part of its path.
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

// designAction tells writing a design document or its attachments from using its functions, two
// of which can write.
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

// record adds a finished request to the trail if it changed something, was refused a change, or
// brought wrong credentials.
func (s *Server) record(x *wire.Exchange, r *http.Request, at time.Time) {
	action := auditAction(r.Method, r.URL.EscapedPath())
	refused := x.Status == http.StatusUnauthorized || x.Status == http.StatusForbidden
	name := x.User.Name
	if refused && name == "" && r.Header.Get("Authorization") != "" { // 403: locked out after many
		action = "authentication"
		x.Note(slog.String("name", claimedName(r)))
	}
	if action == "" && readsOnly(r.Method) && len(x.Notes) > 0 {
		action = "write" // a function that a GET has run, for one, may have written
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
