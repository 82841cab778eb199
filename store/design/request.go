package design

import (
	"context"
	"encoding/json"

	"github.com/tododb/tododb/store"
)

// Request is the request object passed to functions, as CouchDB shows it
// (chttpd_external:json_req_obj).
type Request struct {
	Info          json.RawMessage   `json:"info"`
	ID            *string           `json:"id"` // of the requested document; nil: none
	UUID          string            `json:"uuid"`
	Method        string            `json:"method"`
	RequestedPath []string          `json:"requested_path"`
	Path          []string          `json:"path"`
	RawPath       string            `json:"raw_path"`
	Query         Query             `json:"query"`
	Headers       map[string]string `json:"headers"`
	Body          string            `json:"body"`
	Peer          string            `json:"peer"`
	Form          map[string]string `json:"form"`
	Cookie        map[string]string `json:"cookie"`
	UserCtx       json.RawMessage   `json:"userCtx"`
	SecObj        json.RawMessage   `json:"secObj"`
}

// NoBody is what CouchDB shows for a missing body.
const NoBody = "undefined"

// NewRequest makes a Request of the handle's user to the handle's database. The caller fills in
// the rest.
func NewRequest(ctx context.Context, db *store.DB) (*Request, error) {
	info, err := db.Info(ctx)
	if err != nil {
		return nil, err
	}
	security, err := db.SecurityObject(ctx)
	if err != nil {
		return nil, err
	}
	return &Request{
		Info: db.AppendInfo(nil, info), UserCtx: db.UserCtx(), SecObj: security,
		RequestedPath: []string{}, Path: []string{}, Body: NoBody,
		Query: Query{}, Headers: map[string]string{}, Form: map[string]string{}, Cookie: map[string]string{},
	}, nil
}

// Query has the parameters of a request, each as a JSON value.
type Query map[string]json.RawMessage

// NewQuery returns parameters as functions see them: as texts, except for those of the range of a
// view, which CouchDB reads first (chttpd_external:json_query_keys). If one of these is not JSON,
// it returns its name instead.
func NewQuery(params map[string]string) (query Query, bad string) {
	query = make(Query, len(params))
	for name, value := range params {
		switch name {
		case "key", "startkey", "endkey", "descending":
			if !json.Valid([]byte(value)) {
				return nil, name
			}
			query[name] = json.RawMessage(value)
		default:
			query[name], _ = json.Marshal(value) // every text can be written
		}
	}
	return query, ""
}
