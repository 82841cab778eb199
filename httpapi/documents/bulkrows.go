package documents

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// bulkRows appends the results of writing documents, a row for each.
type bulkRows struct {
	to      *[]byte
	n       int       // the number of rows
	explain *store.DB // the database that explains conflicts; nil: they are not explained
}

func (a *bulkRows) next() {
	if a.n > 0 {
		*a.to = append(*a.to, ',')
	}
	a.n++
}

// written appends the result of the document at index i of a request.
func (a *bulkRows) written(ctx context.Context, bulk *document.Bulk, i int, res *store.Result) error {
	if bulk.Replicated && res.Err == nil {
		return nil // the client knows the revision: it sent it
	}
	if res.Err != nil {
		return a.refused(ctx, refusedDoc{&bulk.Docs[i], res}, bulk.Replicated)
	}
	a.next()
	*a.to = appendWritten(*a.to, res)
	return nil
}

// refused appends the row of a document that was refused.
func (a *bulkRows) refused(ctx context.Context, d refusedDoc, withRev bool) error {
	a.next()
	*a.to = appendFailed(*a.to, d.result, withRev)
	if a.explain == nil || !errors.Is(d.result.Err, store.ErrConflict) {
		return nil
	}
	b, err := write.AppendConflict(ctx, (*a.to)[:len(*a.to)-1], a.explain, &write.Conflict{ID: d.doc.ID, Given: wire.GivenRev(d.doc)})
	*a.to = append(b, '}')
	return err
}

func appendWritten(b []byte, res *store.Result) []byte {
	b = append(b, `{"ok":true,"id":`...)
	b = wire.AppendString(b, res.ID)
	b = append(b, `,"rev":`...)
	return append(wire.AppendRev(b, res.Rev), '}')
}

func appendFailed(b []byte, res *store.Result, withRev bool) []byte {
	b = append(b, `{"id":`...)
	b = wire.AppendString(b, res.ID)
	if withRev {
		b = append(b, `,"rev":`...)
		b = wire.AppendRev(b, res.Rev)
	}
	f := fault.Of(res.Err)
	return append(f.Append(append(b, ',')), '}')
}
