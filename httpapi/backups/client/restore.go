package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// There tells of a database how many documents it has, apart from design documents; -1: there is
// none.
func (s *Server) There(ctx context.Context, database string) (documents int64, err error) {
	if database == store.SynchronizationsDB {
		there, err := s.synchronizations(ctx)
		if !there {
			return -1, err
		}
		return 1, nil // nobody tells how many
	}
	var info struct {
		Docs int64 `json:"doc_count"`
	}
	err = s.ask(ctx, message{method: "GET", path: path(database)}, &info)
	if errors.Is(err, store.ErrNoDB) {
		return -1, nil
	}
	if err != nil || info.Docs == 0 {
		return 0, err
	}
	var designs struct{ Rows []json.RawMessage }
	err = s.ask(ctx, message{method: "GET", path: path(database) + "/_design_docs"}, &designs)
	return max(0, info.Docs-int64(len(designs.Rows))), err
}

// Restore makes a database of streams. If it fails, nothing has changed there.
func (s *Server) Restore(ctx context.Context, database string, streams io.Reader, opt backup.RestoreOptions) error {
	m := message{method: http.MethodPut, path: path(database) + "/_restore", query: url.Values{}, body: streams, kind: "application/vnd.tododb.backup"}
	if opt.Replace {
		m.query.Set("replace", "true")
	}
	if opt.DryRun {
		m.query.Set("dry_run", "true")
	}
	if s.near {
		return s.put(ctx, m)
	}
	out, in := io.Pipe()
	packed := make(chan struct{})
	go func() { // ends with the request, which closes out
		defer close(packed)
		in.CloseWithError(pack(in, streams))
	}()
	m.body, m.packed = out, true
	err := s.put(ctx, m)
	out.CloseWithError(io.ErrClosedPipe)
	<-packed
	return err
}

func pack(w io.Writer, r io.Reader) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, r)
	return errors.Join(err, z.Close())
}
