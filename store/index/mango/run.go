package mango

import (
	"bytes"
	"context"
	"errors"
	"slices"
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
	QuorumDocs          int // documents examined for a query with r of two or more
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
	r := &run{plan: p, db: db, found: found, flush: flush, skip: p.Query.Skip, left: p.Query.Limit, place: byKey}
	r.parts = p.parts()
	r.last = bookmark{ddoc: p.Index.DDoc}
	if b := p.bookmark; b != nil {
		r.last.part, r.marks = b.part, slices.Clone(b.marks)
		if b.epoch != "" {
			common, err := db.Common(ctx, store.Seq{N: r.marks.newest(), Epoch: b.epoch})
			if err != nil {
				return nil, err
			}
			r.marks.forgetAfter(common)
		}
		r.marks.resume(b)
	}
	began := time.Now()
	var err error
	switch {
	case r.left == 0 && !p.Query.ExecutionStats:
	case p.union != nil && p.union.sorted:
		err = r.sorted(ctx, f)
	default:
		err = r.each(ctx, f)
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

	parts   []part
	number  int       // of the part that is read
	mappers []*mapper // of the parts, once one is needed
	place   placer
	sorter  *mapper                     // makes the keys to sort by, once they are needed
	take    func(*store.Document) error // not nil: takes what matches, before it is sorted

	skip, left int
	ahead      int // documents looked at beyond the limit
	last       bookmark
	marks      marks
	seq        uint64 // of the state that is read
	stats      Stats
}

// maxBookmark is the most bytes of a bookmark that remembers states.
const maxBookmark = 8 << 10

func (r *run) answer() *Answer {
	a := &Answer{Bookmark: noBookmark, Stats: r.stats}
	if r.plan.Query.Bookmark != "" {
		a.Bookmark = r.plan.Query.Bookmark
	}
	if r.last.id != "" {
		r.last.name, r.last.digest = r.plan.Index.Name, r.plan.digest()
		if r.plan.union != nil {
			r.last.union, r.last.ddoc, r.last.name = r.plan.union.names(), "", ""
		} else if r.plan.Index.special() {
			r.last.name = ""
		}
		for {
			r.last.marks, r.last.epoch = r.marks, ""
			if newest := r.marks.newest(); newest != unknownState {
				r.last.epoch = r.db.Seq(newest).Epoch
			}
			a.Bookmark = r.last.String()
			if len(a.Bookmark) <= maxBookmark || !r.marks.forget() {
				break
			}
		}
	}
	var warnings []string
	if r.plan.Warning != "" {
		warnings = append(warnings, r.plan.Warning)
	}
	if r.plan.union == nil && r.plan.Index.special() {
		warnings = append(warnings, "No matching index found, create an index to optimize query time.")
	}
	if most := r.plan.Query.ScanWarning; most > 0 && r.stats.Docs+r.stats.QuorumDocs > most*max(r.stats.Results, 1) {
		warnings = append(warnings, "The number of documents examined is high in proportion to the number of results returned. Consider adding a more specific index to improve this.")
	}
	a.Warning = strings.Join(warnings, "\n")
	return a
}

// examined counts a document that is judged.
func (r *run) examined() {
	if r.plan.Query.R > 1 {
		r.stats.QuorumDocs++
	} else {
		r.stats.Docs++
	}
}

// anyPart stands for all parts together.
const anyPart = -1

// accepts reports whether a document matches and belongs to a part: to the first that has a
// branch that it matches.
func (r *run) accepts(ctx context.Context, of subject, number int) (bool, error) {
	ok, err := r.plan.Query.Selector.match(ctx, of)
	if !ok || err != nil || number == anyPart || len(r.parts) == 1 {
		return ok, err
	}
	for i := range r.parts[:number+1] {
		own := Selector{root: r.parts[i].holds}
		if in, err := own.match(ctx, of); in || err != nil {
			return in && i == number, err
		}
	}
	return false, nil
}

// maxAhead is how many documents are looked at beyond the limit.
const maxAhead = 1000

// judge accepts a document if it matches; key is its row's key. If execution statistics are
// asked for, it goes on behind the limit up to the next match, since CouchDB counts like that.
func (r *run) judge(ctx context.Context, of subject, id, key []byte) error {
	if r.left == 0 && r.take == nil {
		if r.ahead++; r.ahead > maxAhead {
			return errEnough
		}
	}
	ok, err := r.accepts(ctx, of, r.number)
	switch {
	case !ok || err != nil:
		return err
	case r.take != nil:
		return r.take(of.doc)
	case r.left == 0:
		return errEnough
	}
	r.last.id, r.last.key, r.last.part = string(id), string(key), max(r.number, 0)
	if r.seq > 0 {
		r.marks.add(mark{r.seq, r.last.part, r.last.key, r.last.id})
	}
	if r.skip > 0 {
		r.skip--
		return nil
	}
	r.stats.Results++
	if err := r.found(&Found{r.plan.Query.Fields, of}); err != nil {
		return err
	}
	if r.left--; r.left == 0 && !r.plan.Query.ExecutionStats {
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

// each reads the parts one after the other.
func (r *run) each(ctx context.Context, f *Finder) error {
	if err := r.compile(); err != nil {
		return err
	}
	for r.number = r.last.part; r.number < len(r.parts); r.number++ {
		var err error
		if r.parts[r.number].index.special() {
			r.seq = 0
			err = r.allDocs(ctx)
		} else {
			err = r.index(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compile makes the conditions that tell the parts apart.
func (r *run) compile() (err error) {
	if len(r.parts) == 1 {
		return nil
	}
	c := new(compiler)
	for i := range r.parts {
		if r.parts[i].holds, err = c.compile(r.parts[i].own); err != nil {
			return err
		}
	}
	return nil
}

// begins is where a part begins: after the bookmark, if it is of this part.
func (r *run) begins() *bookmark {
	if b := r.plan.bookmark; b != nil && b.part == r.number && r.take == nil {
		return b
	}
	return nil
}

// allDocs reads all documents, or those in the stretches of ids that can match.
func (r *run) allDocs(ctx context.Context) error {
	if err := r.begin(); err != nil {
		return err
	}
	s := r.plan.Query.ids(r.parts[r.number].norm)
	if b := r.begins(); b != nil {
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
		design := bytes.HasPrefix(row.ID, []byte("_design/"))
		if !design || r.plan.Query.R == 1 && !r.plan.Query.Selector.Empty() { // as in CouchDB
			r.stats.Keys++
			r.examined()
		}
		if row.Doc == nil || design {
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
	ix, err := f.open(ctx, r.db, r.parts[r.number].index)
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
	most := maxBatch
	if rows := q.Selector.pageRows(); rows > 0 {
		most = rows
	}
	for size := min(max(q.Limit+q.Skip, 1), most); ; size = min(2*size, most) {
		batch, err := rows.next(ctx, size)
		if err != nil {
			return err
		}
		seq, ended := rows.state()
		if r.seq = seq; !q.Update { // the index may lag behind by any distance
			r.seq = 0
		}
		if err := r.look(ctx, batch); err != nil {
			return err
		}
		if n := len(batch); n > 0 && r.seq > 0 && r.left > 0 && r.take == nil {
			r.marks.add(mark{r.seq, r.number, string(batch[n-1].key), batch[n-1].id})
		}
		if err := r.flush(); err != nil || ended {
			return err
		}
	}
}

// rowSource returns rows in the order of the query. They are valid until the next call.
type rowSource interface {
	// next returns n rows, or fewer.
	next(ctx context.Context, n int) ([]foundRow, error)
	// state returns the sequence of the state of which the rows were read, and whether there
	// are no more.
	state() (seq uint64, ended bool)
}

// rows begins reading where the bookmark says.
func (r *run) rows(ctx context.Context, ix *view.Index) (rowSource, error) {
	q, of := r.plan.Query, r.parts[r.number].index
	var after *foundRow
	if b := r.begins(); b != nil {
		after = &foundRow{id: b.id, key: []byte(b.key)}
		if len(elements(after.key)) != len(of.Fields.Fields) {
			return nil, badBookmark(jsonscan.AppendString(nil, q.Bookmark))
		}
	}
	if r.plan.union == nil && !of.sorts(&q.Sort, q.Selector) {
		m, err := newMerger(ctx, ix, of, q, after)
		if err == errManyValues {
			err = noIndex(r.db, q)
		}
		if err == nil {
			r.place = m.place
		}
		return m, err
	}
	read := &rowReader{ix: ix, fresh: q.Update, partition: q.Partition, ranges: of.ranges(r.parts[r.number].norm), descending: q.Sort.Descending}
	if after != nil {
		key, err := collate.AppendKey(nil, after.key)
		if err != nil {
			return nil, badBookmark(jsonscan.AppendString(nil, q.Bookmark))
		}
		read.ranges = rest(read.ranges, read.descending, index.Bound{Key: key, ID: after.id, Past: !read.descending})
	}
	return read, nil
}
