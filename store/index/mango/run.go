package mango

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// Found is a matching document. It is valid during the call that brings it.
type Found struct {
	fields *Fields
	of     subject
}

// AppendJSON appends what to show of it.
func (f *Found) AppendJSON(b []byte) []byte {
	if f.fields == nil {
		return f.of.doc.AppendJSON(b, store.JSONOptions{})
	}
	return f.fields.append(b, f.of)
}

// Stats are the cost of an answer.
type Stats struct {
	Keys, Docs, Results int
	Time                time.Duration
}

// Answer is what follows the documents.
type Answer struct {
	Silent   bool // show nothing but the documents
	Bookmark string
	Warning  string // "": none
	Stats    Stats
}

// errEnough ends a read when the limit is reached.
var errEnough = errors.New("enough")

// Run reads the documents that a plan finds. It calls found inside a snapshot, so found must do
// no I/O; it calls flush outside.
func (f *Finder) Run(ctx context.Context, db *store.DB, p *Plan, found func(*Found) error, flush func() error) (*Answer, error) {
	if p.empty {
		return &Answer{Silent: true}, nil
	}
	r := &run{plan: p, db: db, found: found, flush: flush, skip: p.Query.Skip, left: p.Query.Limit}
	r.last.ddoc = p.Index.DDoc
	began := time.Now()
	var err error
	switch {
	case r.left == 0:
	case p.Index.special():
		err = r.allDocs(ctx)
	default:
		err = r.index(ctx, f)
	}
	if err != nil && err != errEnough {
		return nil, err
	}
	r.stats.Time = time.Since(began)
	return r.answer(), nil
}

// run is a query being answered.
type run struct {
	plan  *Plan
	db    *store.DB
	found func(*Found) error
	flush func() error

	skip, left int
	last       bookmark
	stats      Stats
}

func (r *run) answer() *Answer {
	a := &Answer{Bookmark: noBookmark, Stats: r.stats}
	if r.plan.Query.Bookmark != "" {
		a.Bookmark = r.plan.Query.Bookmark
	}
	if r.last.id != "" {
		r.last.name = r.plan.Index.Name
		if r.plan.Index.special() {
			r.last.name = ""
		}
		a.Bookmark = r.last.String()
	}
	var warnings []string
	if r.plan.Warning != "" {
		warnings = append(warnings, r.plan.Warning)
	}
	if r.plan.Index.special() {
		warnings = append(warnings, "No matching index found, create an index to optimize query time.")
	}
	if r.stats.Docs > 10*max(r.stats.Results, 1) {
		warnings = append(warnings, "The number of documents examined is high in proportion to the number of results returned. Consider adding a more specific index to improve this.")
	}
	a.Warning = strings.Join(warnings, "\n")
	return a
}

// judge accepts a document if it matches; key is its row's key.
func (r *run) judge(ctx context.Context, of subject, id, key []byte) error {
	ok, err := r.plan.Query.Selector.match(ctx, of)
	if !ok || err != nil {
		return err
	}
	r.last.id, r.last.key = string(id), string(key)
	if r.skip > 0 {
		r.skip--
		return nil
	}
	r.stats.Results++
	if err := r.found(&Found{r.plan.Query.Fields, of}); err != nil {
		return err
	}
	if r.left--; r.left == 0 {
		return errEnough
	}
	return nil
}

// begin lets the caller hold back the first page of a slow query, as it may hold back all later
// ones.
func (r *run) begin() error {
	if r.plan.Query.Selector.pageRows() == 0 {
		return nil
	}
	return r.flush()
}

// allDocs reads all documents, or those in the stretches of ids that can match.
func (r *run) allDocs(ctx context.Context) error {
	if err := r.begin(); err != nil {
		return err
	}
	s := r.plan.Query.Selector.norm.spansOf("_id", ids{})
	if b := r.plan.bookmark; b != nil {
		rest := span{lo: b.id + "\x00", hi: behind}
		if r.plan.Query.Sort.Descending {
			rest = span{hi: b.id}
		}
		s = s.intersect(spans{rest})
	}
	for i := range s {
		one := s[i]
		if r.plan.Query.Sort.Descending {
			one = s[len(s)-1-i]
		}
		if i > 0 {
			if err := r.flush(); err != nil {
				return err
			}
		}
		if err := r.stretch(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) stretch(ctx context.Context, s span) error {
	q := store.AllDocsQuery{
		Start: s.lo, HasStart: s.lo != "", End: s.hi, HasEnd: s.hi != behind, ExcludeEnd: true,
		Limit: -1, IncludeDocs: true, Conflicts: r.plan.Query.Conflicts, PageRows: r.plan.Query.Selector.pageRows(),
	}
	if r.plan.Query.Sort.Descending {
		q.Descending, q.ExcludeEnd, q.ExcludeStart = true, false, true
		q.Start, q.End, q.HasStart, q.HasEnd = q.End, q.Start, q.HasEnd, q.HasStart
	}
	return r.db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(row *store.Row) error {
		r.stats.Keys++
		r.stats.Docs++
		if row.Doc == nil || bytes.HasPrefix(row.ID, []byte("_design/")) {
			return nil
		}
		return r.judge(ctx, subject{doc: row.Doc}, row.ID, nil)
	}, r.flush)
}

// maxBatch is the most rows looked up at a time.
const maxBatch = 1000

// index reads rows of an index, and their documents.
func (r *run) index(ctx context.Context, f *Finder) error {
	q := r.plan.Query
	ix, err := f.open(ctx, r.db, r.plan.Index)
	if err != nil {
		return err
	}
	defer ix.Release()
	fresh := view.Wait
	if !q.Update {
		fresh = view.Stale
	}
	if err := ix.Prepare(ctx, fresh); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	rows, err := r.rows(ctx, ix)
	if err != nil {
		return err
	}
	if one, single := rows.(*rowReader); single && r.plan.Covering && q.Selector.pageRows() == 0 {
		return one.each(ctx, r.coverer(ctx), r.flush)
	}
	most := maxBatch
	if rows := q.Selector.pageRows(); rows > 0 {
		most = rows
	}
	for size := min(max(q.Limit+q.Skip, 1), most); ; size = min(2*size, most) {
		batch, err := rows.next(ctx, size)
		if err != nil {
			return err
		}
		if err := r.look(ctx, batch); err != nil {
			return err
		}
		if err := r.flush(); err != nil || len(batch) < size {
			return err
		}
	}
}

// rowSource returns rows in the order of the query: n, or all that are left. They are valid
// until the next call.
type rowSource interface {
	next(ctx context.Context, n int) ([]foundRow, error)
}

// rows begins reading where the bookmark says.
func (r *run) rows(ctx context.Context, ix *view.Index) (rowSource, error) {
	q, of := r.plan.Query, r.plan.Index
	var after *foundRow
	if b := r.plan.bookmark; b != nil {
		after = &foundRow{id: b.id, key: []byte(b.key)}
		if len(elements(after.key)) != len(of.Fields.Fields) {
			return nil, badBookmark(jsonscan.AppendString(nil, q.Bookmark))
		}
	}
	if !of.sorts(&q.Sort, q.Selector) {
		return newMerger(ctx, ix, of, q, after)
	}
	read := &rowReader{ix: ix, ranges: of.ranges(q.Selector.norm), descending: q.Sort.Descending}
	if after != nil {
		key, err := collate.AppendKey(nil, after.key)
		if err != nil {
			return nil, badBookmark(jsonscan.AppendString(nil, q.Bookmark))
		}
		read.ranges = rest(read.ranges, read.descending, index.Bound{Key: key, ID: after.id, Past: !read.descending})
	}
	return read, nil
}

// look judges the documents of rows.
func (r *run) look(ctx context.Context, rows []foundRow) error {
	if r.plan.Covering {
		cover := r.coverer(ctx)
		for i := range rows {
			if err := cover(&index.Row{Key: rows[i].key, ID: []byte(rows[i].id)}); err != nil {
				return err
			}
		}
		return nil
	}
	r.stats.Keys += len(rows)
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	return r.db.GetMany(ctx, ids, store.ReadOptions{Conflicts: r.plan.Query.Conflicts}, func(i int, d *store.Document, err error) error {
		if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
			return nil // it changed after the row was read
		}
		if err != nil {
			return err
		}
		r.stats.Docs++
		return r.judge(ctx, subject{doc: d}, []byte(d.ID), rows[i].key)
	}, r.flush)
}

// coverer judges rows by their own content.
func (r *run) coverer(ctx context.Context) func(*index.Row) error {
	one := row{columns: r.plan.Index.Fields.Fields}
	return func(found *index.Row) error {
		r.stats.Keys++
		one.id, one.values = found.ID, elements(found.Key)
		return r.judge(ctx, subject{row: &one}, found.ID, found.Key)
	}
}
