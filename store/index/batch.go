package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// batchLimit is how much is mapped before it is written: it bounds the memory of a build.
type batchLimit struct {
	docs  int
	bytes int64 // of documents, and of rows
	rows  int64
}

// firstBatch is how much is sorted at a time. In an index larger than largeIndex, a later batch
// touches as many pages as it has rows, all over the index, and each page is held in memory.
var firstBatch = batchLimit{docs: 20_000, bytes: 8 << 20, rows: 100_000}

const (
	largeIndex  = 32 << 20 // bytes
	besideBytes = 32 << 20 // about how much the keys beside changed rows may take
)

// later is the batch size for an index that has been built before. A change of a row needs
// the keys of rows beside it. They are all in memory, so the longer they are, the fewer rows
// may change.
func (limit batchLimit) later(ctx context.Context, sub engine.DB, st *state) (batchLimit, error) {
	rows := int64(1)
	for _, v := range st.views {
		rows += int64(v.rows)
	}
	limit.rows = min(limit.rows, max(besideBytes/(st.bytes/rows+1), 100))
	if sizer, ok := sub.(engine.Sizer); ok {
		size, err := sizer.Size(ctx)
		if err != nil {
			return limit, err
		}
		if size > largeIndex {
			limit.rows = min(limit.rows, 4000)
		}
	}
	return limit, nil
}

// batch holds the changes to the index from a stretch of the sequence feed, (from, to].
type batch struct {
	from, to uint64
	at       uint64   // the sequence recorded as the last change of views whose rows change
	docs     []mapped // by id
	large    bool     // its rows have far more bytes than a batch should have
	// whole says that the end of the batch was read when to was the newest change. So after the
	// batch, the index is as the database was then.
	whole bool
}

// mapped is what the index will store about one document.
type mapped struct {
	id      string
	seq     uint64
	deleted bool
	purged  bool
	rows    []row // by key
}

// row is a record of the row space; prefix is the length of its view and collated key.
type row struct {
	key, value []byte
	prefix     int
}

// arena allocates memory that lives as long as there is a reference to any of it.
type arena struct{ free []byte }

const arenaBlock = 256 << 10

// room returns a slice to which n bytes can be appended without a copy.
func (a *arena) room(n int) []byte {
	if cap(a.free)-len(a.free) < n {
		a.free = make([]byte, 0, max(arenaBlock, n))
	}
	return a.free[len(a.free):len(a.free):cap(a.free)]
}

// take keeps what was appended to room's result.
func (a *arena) take(b []byte) []byte {
	if len(b) <= cap(a.free)-len(a.free) {
		a.free = a.free[:len(a.free)+len(b)]
	}
	return b[:len(b):len(b)]
}

func (a *arena) clone(b []byte) []byte { return a.take(append(a.room(len(b)), b...)) }

// written counts what a batch has gathered.
type written struct {
	bytes, rows atomic.Int64
	most        int64 // number of bytes at which mappers stop in the middle of a piece

	left atomic.Uint64 // the first sequence that was left out; 0: none
}

// tooMuch tells that mappers must stop: some documents gave far more bytes than the ones before
// them.
func (w *written) tooMuch() bool { return w.bytes.Load() > w.most }

// leave leaves out a sequence and all later ones.
func (w *written) leave(seq uint64) {
	for {
		left := w.left.Load()
		if left != 0 && left <= seq || w.left.CompareAndSwap(left, seq) {
			return
		}
	}
}

// piece is what a mapper gets at a time.
type piece struct {
	docs  []store.Document
	first bool            // of its batch; at least one document of it is mapped, so that each batch makes progress
	done  chan<- struct{} // closed when it is mapped or left out
}

// collector maps stretches of the feed; its mappers live from batch to batch.
type collector struct {
	def     *Definition
	db      store.Bare
	limit   batchLimit
	mappers []Mapper
	follow  bool // see stretch

	perDoc atomic.Int64 // recent bytes of rows from one document; 0: unknown
}

// largeDoc is the size of a document's rows, in bytes, above which documents are mapped one
// after the other. The rows are in memory several times, here and in the process of the function.
const largeDoc = 4 << 20

// alone tells that the next piece must be mapped alone, because its rows may be large.
func (c *collector) alone() bool {
	perDoc := c.perDoc.Load()
	return perDoc == 0 || perDoc > largeDoc
}

// Mappers get documents in pieces of a page. A piece has as many documents as give about
// pieceBytes of rows: a function may emit a thousand times its document.
const (
	pieceBytes = 1 << 20
	firstPiece = 8
	mostPiece  = 100
)

// pieceDocs is how many documents a mapper gets next.
func (c *collector) pieceDocs() int {
	perDoc := c.perDoc.Load()
	if perDoc == 0 {
		return firstPiece
	}
	return int(min(max(pieceBytes/perDoc, 1), mostPiece))
}

// pageRows is how many documents are read at a time: little more than the batch takes.
func (c *collector) pageRows() int {
	rows := c.limit.docs
	if perDoc := c.perDoc.Load(); perDoc > 0 {
		rows = int(min(int64(rows), max(c.limit.bytes/perDoc, firstPiece)))
	}
	if rows < 500 { // fewer than a page of the feed
		return rows
	}
	return 0
}

func (c *collector) close() {
	for _, m := range c.mappers {
		if m != nil {
			m.Close()
		}
	}
}

var errEnough = errors.New("the batch is full")

// collect maps the changes after a sequence, up to another one or until the batch is full.
func (c *collector) collect(ctx context.Context, from, to uint64) (*batch, error) {
	if c.mappers == nil {
		c.mappers = make([]Mapper, runtime.GOMAXPROCS(0))
	}
	b := &batch{from: from, to: to}
	work := make(chan piece, len(c.mappers))
	parts := make([][]mapped, len(c.mappers))
	// When the batch is full, some pieces are still under way. If they give more rows than this
	// allows for, mappers stop.
	written := written{most: 2*c.limit.bytes + 2*pieceBytes*int64(len(c.mappers))}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		return c.read(gctx, b, work, &written)
	})
	for i := range c.mappers {
		g.Go(func() (err error) {
			pieces := pieceMapper{c: c, e: emitter{def: c.def}, written: &written, out: &parts[i]}
			for p := range work {
				if c.mappers[i] == nil {
					if c.mappers[i], err = c.def.NewMapper(); err != nil {
						return err
					}
				}
				pieces.m = c.mappers[i]
				if err := pieces.add(gctx, p); err != nil {
					return err
				}
				close(p.done)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if left := written.left.Load(); left != 0 { // the next batch reads it again, and everything after it
		b.to, b.at, b.whole = left-1, left-1, false
	}
	for _, part := range parts {
		for i := range part {
			if part[i].seq <= b.to {
				b.docs = append(b.docs, part[i])
			}
		}
	}
	b.large = written.bytes.Load() > 2*c.limit.bytes
	slices.SortFunc(b.docs, func(a, b mapped) int { return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(b.seq, a.seq)) })
	b.docs = slices.CompactFunc(b.docs, func(newer, older mapped) bool { return newer.id == older.id }) // one may have moved
	return b, nil
}

// read sends the changed documents to the mappers, a page of the feed at a time.
func (c *collector) read(ctx context.Context, b *batch, work chan<- piece, written *written) error {
	var page []store.Document
	var bodies arena
	var size int64
	docs := 0
	q := store.ChangesQuery{Since: b.from, To: b.to, Limit: -1, IncludeDocs: true, Conflicts: true, DeletedConflicts: true, PageRows: c.pageRows()}
	if c.follow {
		q.To, q.Follow = 0, true
	}
	end, err := c.db.Changes(ctx, q, func(ch *store.Change) error {
		if !c.def.maps(ch.ID) {
			return nil
		}
		d := *ch.Doc
		d.Body = bodies.clone(d.Body)
		page = append(page, d)
		return nil
	}, func() error {
		for rest := page; len(rest) > 0; {
			n := min(c.pieceDocs(), len(rest))
			alone, done := c.alone(), make(chan struct{})
			select {
			case work <- piece{rest[:n:n], docs == 0, done}:
			case <-ctx.Done():
				return ctx.Err()
			}
			if alone {
				select {
				case <-done:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			for i := range rest[:n] {
				size += int64(len(rest[i].Body)+len(rest[i].ID)) + 100
			}
			docs += n
			last := rest[n-1].Seq
			rest = rest[n:]
			if docs >= c.limit.docs || size >= c.limit.bytes || written.bytes.Load() >= c.limit.bytes || written.rows.Load() >= c.limit.rows {
				b.to = last // the rest of the page is read again
				return errEnough
			}
		}
		page = make([]store.Document, 0, len(page))
		return nil
	})
	if err == nil && c.follow {
		b.to, b.whole = end.Last, true
	}
	b.at = b.to
	if errors.Is(err, errEnough) || err == nil && end.Done {
		return nil
	}
	return err
}

// Every row has the id of its document, and all rows of a document are in memory together, their
// keys in several forms. So an id longer than longID may take at most mostOfID bytes in them, and
// collated keys longer than longID at most mostOfKeys.
const (
	longID     = 1024
	mostOfID   = 64 << 20
	mostOfKeys = 32 << 20
)

// pieceMapper maps pieces of a batch with one mapper.
type pieceMapper struct {
	c       *collector
	m       Mapper
	e       emitter
	written *written  // shared by all mappers of the batch
	out     *[]mapped // only for this mapper
}

// add maps a piece of a page. When there is too much, it leaves out the rest of the piece.
func (w *pieceMapper) add(ctx context.Context, p piece) error {
	if !p.first && w.written.tooMuch() {
		w.written.leave(p.docs[0].Seq)
		return nil
	}
	docs, out, from := p.docs, *w.out, len(*w.out)
	wanted := make([]*store.Document, 0, len(docs))
	where := make([]int, 0, len(docs)) // the places of wanted in out
	for i := range docs {
		d := &docs[i]
		out = append(out, mapped{id: d.ID, seq: d.Seq, deleted: d.Deleted})
		if !d.Deleted || w.c.def.IncludeDeleted {
			wanted, where = append(wanted, d), append(where, from+i)
		}
	}
	now := 0 // the document whose rows are being emitted
	size := int64(0)
	end := func() {
		done := &out[where[now]]
		done.rows = w.e.rows(done.id)
		n := int64(0)
		for _, r := range done.rows {
			n += int64(len(r.key) + len(r.value))
		}
		size += n
		w.written.bytes.Add(n)
		w.written.rows.Add(int64(len(done.rows)))
		w.e.forget()
	}
	err := MapEach(ctx, w.m, wanted, func(doc, view int, order, key, value []byte) error {
		for ; now < doc; now++ {
			end()
			if w.written.tooMuch() {
				now++
				return errEnough
			}
		}
		id := wanted[doc].ID
		if len(id) > longID && (len(w.e.emits)+1)*len(id) > mostOfID {
			return fmt.Errorf("%w: %.100q", ErrTooManyRows, id)
		}
		w.e.in(id)
		err := w.e.emit(view, order, key, value)
		if err == nil && w.e.long > mostOfKeys {
			err = fmt.Errorf("%w: %.100q", ErrTooManyRows, id)
		}
		return err
	})
	if errors.Is(err, errEnough) {
		rest := where[now]
		w.written.leave(out[rest].seq)
		w.c.perDoc.Store(size/int64(rest-from) + 1)
		*w.out = out[:rest]
		return nil
	}
	if err != nil {
		return err
	}
	for ; now < len(wanted); now++ {
		end()
	}
	w.c.perDoc.Store(size/int64(len(docs)) + 1)
	*w.out = out
	return nil
}

// MapEach is MapBatch for any Mapper, even one without it.
func MapEach(ctx context.Context, m Mapper, docs []*store.Document, emit func(doc, view int, order, key, value []byte) error) error {
	if b, ok := m.(BatchMapper); ok {
		return b.MapBatch(ctx, docs, emit)
	}
	for i, d := range docs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.Map(ctx, d, func(view int, key, value []byte) error { return emit(i, view, nil, key, value) }); err != nil {
			return err
		}
	}
	return nil
}

// emitter turns the output of a mapper into records.
type emitter struct {
	def   *Definition
	arena arena // of records
	key   []byte
	begin []byte    // of the keys, in a partitioned index
	emits []emitted // of one document
	own   arena     // of emits
	long  int       // bytes of the long keys in emits
}

// in says which document is emitting.
func (e *emitter) in(id string) {
	if e.def.Partitioned {
		name, _ := document.Partition(id)
		e.begin = appendPartition(e.begin[:0], []byte(name))
	}
}

// forget releases the output for a document whose records are made.
func (e *emitter) forget() {
	clear(e.emits)
	e.long = 0
	e.emits = e.emits[:0]
	if e.own.free = e.own.free[:0]; cap(e.own.free) > arenaBlock {
		e.own.free = nil
	}
}

type emitted struct {
	prefix     []byte // view and collated key
	key, value []byte
}

// emit takes in a row. order is its key in the form that sorts in the view's order, nil if it has
// not been made yet.
func (e *emitter) emit(view int, order, key, value []byte) (err error) {
	if check := e.def.Views[view].Check; check != nil {
		if err := check(value); err != nil {
			return err
		}
	}
	switch {
	case order == nil:
		e.key = append(e.key[:0], e.begin...)
		if e.key, err = e.def.Views[view].Order.AppendKey(e.key, key); err != nil {
			return err
		}
		order = e.key
	case len(e.begin) > 0:
		e.key = append(append(e.key[:0], e.begin...), order...)
		order = e.key
	}
	if len(order) > longID {
		e.long += len(order)
	}
	prefix := append(e.own.room(1+len(order)), byte(view))
	prefix = e.own.take(append(prefix, order...))
	e.emits = append(e.emits, emitted{prefix, e.own.clone(key), e.own.clone(value)})
	return nil
}

// rows makes the records of one document's output.
func (e *emitter) rows(id string) []row {
	if len(e.emits) == 0 {
		return nil
	}
	slices.SortStableFunc(e.emits, func(a, b emitted) int { return bytes.Compare(a.prefix, b.prefix) })
	rows := make([]row, 0, len(e.emits))
	for i := 0; i < len(e.emits); {
		n := 1
		for i+n < len(e.emits) && bytes.Equal(e.emits[i].prefix, e.emits[i+n].prefix) {
			n++
		}
		rows = append(rows, e.row(id, e.emits[i:i+n]))
		i += n
	}
	return rows
}

// row makes the record of the rows with one key. CouchDB sorts several of them in Erlang's
// order of their keys, which may be different strings that collate alike, then of their values.
func (e *emitter) row(id string, same []emitted) row {
	if len(same) > 1 {
		slices.SortStableFunc(same, func(a, b emitted) int {
			return cmp.Or(compareRaw(a.key, b.key), compareRaw(a.value, b.value))
		})
	}
	prefix := same[0].prefix
	key := append(e.arena.room(len(prefix)+len(id)), prefix...)
	r := row{key: e.arena.take(append(key, id...)), prefix: len(prefix)}
	size := 16
	for _, s := range same {
		size += len(s.key) + len(s.value) + 10
	}
	v := appendRowHead(e.arena.room(size), len(prefix), len(same))
	for _, s := range same {
		v = record.AppendBytes(record.AppendBytes(v, s.key), s.value)
	}
	r.value = e.arena.take(v)
	return r
}

func compareRaw(a, b []byte) int {
	ka, _ := collate.Raw.AppendKey(nil, a)
	kb, _ := collate.Raw.AppendKey(nil, b)
	return bytes.Compare(ka, kb)
}
