package repository

import (
	"context"
	"errors"
	"io"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Local is the Sink of a store in this process.
type Local struct{ Store *store.Store }

// There tells of a database how many documents it has, apart from design documents; -1: there is none.
func (l Local) There(ctx context.Context, database string) (documents int64, err error) {
	db, err := l.Store.Bare(ctx, database, store.ForBackups)
	if errors.Is(err, store.ErrNoDB) {
		return -1, nil
	} else if err != nil {
		return 0, err
	}
	defer db.Release()
	info, err := db.Info(ctx)
	if err != nil || info.DocCount == 0 {
		return 0, err
	}
	designs := int64(0)
	q := store.AllDocsQuery{Start: "_design/", HasStart: true, End: "_design0", HasEnd: true, ExcludeEnd: true, Limit: -1}
	err = db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(*store.Row) error { designs++; return nil }, func() error { return nil })
	return max(0, int64(info.DocCount)-designs), err
}

// Restore makes a database of streams.
func (l Local) Restore(ctx context.Context, database string, streams io.Reader, opt backup.RestoreOptions) error {
	_, err := backup.Restore(ctx, l.Store, database, streams, opt)
	return err
}
