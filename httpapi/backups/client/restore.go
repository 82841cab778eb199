package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/tododb/tododb/store"
)

// There tells of a database how many documents it has, apart from design documents; -1: there is
// none.
func (s *Server) There(ctx context.Context, database string) (documents int64, err error) {
	var info struct {
		Docs int64 `json:"doc_count"`
	}
	err = s.ask(ctx, "GET", path(database), nil, nil, &info)
	if errors.Is(err, store.ErrNoDB) {
		return -1, nil
	}
	if err != nil || info.Docs == 0 {
		return 0, err
	}
	var designs struct{ Rows []json.RawMessage }
	err = s.ask(ctx, "GET", path(database)+"/_design_docs", nil, nil, &designs)
	return max(0, info.Docs-int64(len(designs.Rows))), err
}

// Restore makes a database of streams. If it fails, nothing has changed there.
func (s *Server) Restore(ctx context.Context, database string, streams io.Reader, replace bool) error {
	q := url.Values{}
	if replace {
		q.Set("replace", "true")
	}
	a, err := s.do(ctx, http.MethodPost, path(database)+"/_restore", q, streams)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.Body)
	return errors.Join(err, a.Body.Close())
}
