package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/store"
)

// Options say what a Server stands on.
type Options struct {
	Store   *store.Store // needed
	Log     *slog.Logger // nil: nothing is logged
	Version string       // of tododb
	UUID    string       // of the server: clients build checkpoint ids from it, so it never changes

	// MaxRequestSize is the greatest request body in bytes, decompressed
	// (4,294,967,296, as CouchDB's [chttpd] max_http_request_size).
	MaxRequestSize int64
}

// Server is CouchDB's HTTP API over a store.
type Server struct {
	opt     Options
	store   *store.Store
	log     *slog.Logger
	handler http.Handler
}

// segment returns an unescaped part of the path. CouchDB reads a plus as a space.
func segment(r *http.Request, name string) (string, error) {
	s, err := url.QueryUnescape(mux.Vars(r)[name])
	if err != nil {
		return "", badRequest("Invalid percent escape in the path")
	}
	return s, nil
}

// withDB opens the database that the path names; the caller releases it.
func (s *Server) withDB(ctx context.Context, r *http.Request) (*store.DB, error) {
	name, err := segment(r, "db")
	if err != nil {
		return nil, err
	}
	return s.store.DB(ctx, name)
}
