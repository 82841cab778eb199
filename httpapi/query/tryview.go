package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/script"
)

const (
	usualSample = 10  // documents that are tried unless the request says otherwise
	mostSample  = 100 // and the most
	sampleBytes = 8 << 20
)

// triedDocument is what a map function did with a document.
type triedDocument struct {
	ID    string             `json:"id"`
	Rows  int                `json:"rows"`
	Error *design.TrialError `json:"error,omitempty"`
}

// trialBody is the answer to POST _try_view.
type trialBody struct {
	Docs        []triedDocument    `json:"docs"`
	Rows        []design.TrialRow  `json:"rows"` // in the order of a view
	Value       json.RawMessage    `json:"value,omitempty"`
	ReduceError *design.TrialError `json:"reduce_error,omitempty"`
	More        bool               `json:"more,omitempty"` // the sample was cut, because it is large
}

// TryView answers POST _try_view: what the functions of a view make of some documents, before any
// design document has them.
func (room *Room) TryView(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := objectBody(w, r)
	if err != nil {
		return err
	}
	var ask struct {
		Map    *string         `json:"map"`
		Reduce string          `json:"reduce"`
		Lib    json.RawMessage `json:"lib"`
		IDs    []string        `json:"ids"`
		Limit  *int            `json:"limit"`
	}
	if err := json.Unmarshal(body, &ask); err != nil || ask.Map == nil {
		return wire.BadRequest("`map` must be the source of a function; `reduce`, `lib`, `ids` and `limit` are optional")
	}
	limit := usualSample
	if ask.Limit != nil {
		limit = *ask.Limit
	}
	if limit < 0 || limit > mostSample || len(ask.IDs) > mostSample {
		return wire.BadRequest("A view is tried with at most %d documents.", mostSample)
	}
	trial, err := room.designs.TryView(r.Context(), db, script.ViewFunctions{Name: "trial", Map: *ask.Map, Reduce: ask.Reduce}, ask.Lib)
	if err != nil {
		return err
	}
	out := trialBody{Docs: []triedDocument{}, Rows: []design.TrialRow{}}
	size := 0
	err = eachSample(r, db, sample{ask.IDs, limit}, func(doc *store.Document) error {
		b := doc.AppendJSON(nil, store.JSONOptions{})
		rows, thrown, err := trial.Map(r.Context(), doc.ID, b)
		if err != nil {
			return err
		}
		out.Docs = append(out.Docs, triedDocument{doc.ID, len(rows), thrown})
		out.Rows = append(out.Rows, rows...)
		size += len(b)
		for _, row := range rows {
			size += len(row.Key) + len(row.Value)
		}
		if size > sampleBytes {
			out.More = true
			return errSampled
		}
		return nil
	})
	if err != nil && !errors.Is(err, errSampled) {
		return err
	}
	if err := sortTrial(out.Rows); err != nil {
		return err
	}
	if ask.Reduce != "" && ask.Reduce[0] != '_' {
		if out.Value, out.ReduceError, err = trial.Reduce(r.Context(), out.Rows); err != nil {
			return err
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

var errSampled = errors.New("the sample is large enough")

// sample says which documents are tried: those with these ids, or the first ones, design documents
// left out.
type sample struct {
	ids   []string
	limit int
}

func eachSample(r *http.Request, db *store.DB, s sample, fn func(*store.Document) error) error {
	if s.ids != nil {
		for _, id := range s.ids {
			doc, err := db.Get(r.Context(), id, store.ReadOptions{})
			if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
				continue
			}
			if err != nil {
				return err
			}
			if err := fn(doc); err != nil {
				return err
			}
		}
		return nil
	}
	taken := 0
	if s.limit == 0 {
		return nil
	}
	return db.AllDocs(r.Context(), store.AllDocsQuery{Space: store.Docs, Limit: s.limit + 1000, IncludeDocs: true}, func(store.Page) error { return nil }, func(row *store.Row) error {
		if row.Doc == nil || strings.HasPrefix(row.Doc.ID, "_design/") {
			return nil
		}
		if taken++; taken > s.limit {
			return errSampled
		}
		return fn(row.Doc)
	}, func() error { return nil })
}

// sortTrial puts rows in the order in which a view has them: by key, then by id.
func sortTrial(rows []design.TrialRow) error {
	keys := make([][]byte, len(rows))
	order := make([]int, len(rows))
	for i, row := range rows {
		key, err := collate.AppendKey(nil, row.Key)
		if err != nil {
			return err
		}
		keys[i], order[i] = append(key, row.ID...), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	sorted := make([]design.TrialRow, len(rows))
	for i, from := range order {
		sorted[i] = rows[from]
	}
	copy(rows, sorted)
	return nil
}
