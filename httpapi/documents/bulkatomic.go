package documents

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var (
	errUnchangedAtomic = wire.BadRequest("If-Match needs `atomic: true`: other documents are written one by one.")
	errUnchangedForm   = wire.BadRequest("If-Match must be one update sequence in quotes, as the ETag of _changes or the update_seq of the database.")
)

// unchangedSince reads from If-Match the sequence that the client believes to be the newest; nil
// if it names none.
func unchangedSince(r *http.Request, db *store.DB) (*uint64, error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return nil, nil
	}
	tag := strings.TrimPrefix(strings.TrimSpace(values[0]), "W/")
	text := strings.Trim(tag, `"`)
	seq, err := store.ReadSeq(text)
	if err != nil || len(values) > 1 {
		return nil, errUnchangedForm
	}
	common, err := db.Common(r.Context(), seq)
	if err != nil {
		return nil, err
	}
	if common != seq.N {
		common = math.MaxUint64 // it is not a sequence of this database, or of its present history
	}
	return &common, nil
}

// atomicRefusal says why nothing was written, and names every document that is to blame. It
// returns a *refusedAll, or nil if everything was written.
func atomicRefusal(bulk *document.Bulk, results []store.Result) error {
	e := &refusedAll{docs: len(results)}
	for i := range results {
		if err := results[i].Err; err != nil && !errors.Is(err, store.ErrNotWritten) {
			e.refused = append(e.refused, refusedDoc{&bulk.Docs[i], &results[i]})
		}
	}
	if len(e.refused) == 0 {
		return nil
	}
	return e
}

// refusedAll is the error of a request that is all or nothing.
type refusedAll struct {
	docs    int
	refused []refusedDoc
}

type refusedDoc struct {
	doc    *document.Doc
	result *store.Result
}

func (e *refusedAll) Error() string {
	return fmt.Sprintf("Nothing was written: %d of %d documents were refused.", len(e.refused), e.docs)
}

// Unwrap returns the error that decides the status: a conflict if there is one, because then
// trying again may help.
func (e *refusedAll) Unwrap() error {
	for _, d := range e.refused {
		if errors.Is(d.result.Err, store.ErrConflict) {
			return d.result.Err
		}
	}
	return e.refused[0].result.Err
}

// answer makes the answer; conflicts are explained if db is given.
func (e *refusedAll) answer(ctx context.Context, db *store.DB) (write.Answer, error) {
	f := fault.Of(e.Unwrap())
	f.Reason, f.JSON = e.Error(), nil
	b := append(f.Append([]byte{'{'}), `,"refused":[`...)
	rows := bulkRows{to: &b, explain: db}
	for _, d := range e.refused {
		if err := rows.refused(ctx, d, false); err != nil {
			return write.Answer{}, err
		}
	}
	return write.Answer{Status: f.Status, Body: append(b, "]}"...)}, nil
}
