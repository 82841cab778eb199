package changes

import (
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/jsonscan"
)

// Changes answers GET and POST /db/_changes: the feed of what changed since a sequence.
func (a *Room) Changes(w http.ResponseWriter, r *http.Request) error {
	return a.answer(w, r, parseQuery)
}

// Conflicts answers GET /db/_conflicts: the same feed, of documents in conflict alone. It has no filters,
// and can skip rows.
func (a *Room) Conflicts(w http.ResponseWriter, r *http.Request) error {
	return a.answer(w, r, parseConflictsQuery)
}

// answer answers what the query asks for.
func (a *Room) answer(w http.ResponseWriter, r *http.Request, parse func(*http.Request) (query, error)) error {
	db, err := a.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	q, err := parse(r)
	if err != nil {
		return err
	}
	chosen, err := a.openFilter(r, db, &q, body)
	if err != nil {
		return err
	}
	defer chosen.Release()
	since, err := q.start(r.Context(), db)
	if err != nil {
		return err
	}
	head, err := q.newest(r.Context(), db, since)
	if err != nil {
		return err
	}
	rights, err := a.access.FeedRights(r.Context(), wire.UserOf(r), db, q.framing)
	if err != nil {
		return err
	}
	leave, err := wire.EnterFeed(w, r, q.framing)
	if err != nil {
		return err
	}
	defer leave()
	h := w.Header()
	if err := q.setModified(r.Context(), h, db, since, head); err != nil {
		return err
	}
	switch q.framing {
	case wire.Normal:
		etag := string(wire.AppendSeq(nil, db, head.Seq))
		h["Etag"] = []string{etag}
		if r.Method != http.MethodPost && noneMatch(r, etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	case wire.EventSource:
		h["Content-Type"] = []string{"text/event-stream"}
		h["Cache-Control"] = []string{"no-cache"}
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	f := feed{ctx: r.Context(), Feed: wire.NewFeed(st, q.framing, q.heartbeat, q.timeout, rights), db: db, q: &q, filter: chosen, skip: q.skip, seen: since, last: since, base: wire.Absolute(r, wire.DBPath(r)+"/")}
	return f.run(r.Context(), head.Seq)
}

// readBody reads the body of a POST, which may be empty.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	if err := wire.RequireJSON(r); err != nil {
		return nil, err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if err := wire.RequireObject(body); err != nil {
		return nil, err
	}
	return jsonscan.Trim(body)
}

// noneMatch tells whether the client has what the ETag stands for.
func noneMatch(r *http.Request, etag string) bool {
	for _, header := range r.Header["If-None-Match"] {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == etag || one == "*" {
				return true
			}
		}
	}
	return false
}

// feed is one reader of a database's changes.
type feed struct {
	wire.Feed
	ctx    context.Context
	db     *store.DB
	q      *query
	filter *filter.Filter
	base   string // URL of the database, with a slash

	skip    int    // rows still to skip
	count   int    // rows given
	seen    uint64 // where the next read goes on
	last    uint64 // last_seq: less than seen where sequences without a row follow
	pending int
}

// run answers the request; newest is the sequence that the first read ends at.
func (f *feed) run(ctx context.Context, newest uint64) error {
	if f.Framed() {
		f.Stream.Buf = append(f.Stream.Buf, "{\"results\":[\n"...)
	}
	if err := f.read(ctx, newest); err != nil {
		return err
	}
	for f.goesOn() {
		more, err := f.Wait(ctx, f.db.Changed(f.seen), f.db.Gone())
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := f.read(ctx, 0); err != nil {
			if f.isGone() {
				break // a feed of a deleted database ends as any other
			}
			return err
		}
	}
	b := f.Stream.Buf
	switch f.Framing {
	case wire.EventSource:
		return f.Stream.End()
	case wire.Continuous:
		b = append(b, `{"last_seq":`...)
	default:
		b = append(b, "\n],\n\"last_seq\":"...)
	}
	b = wire.AppendSeq(b, f.db, f.last)
	b = wire.AppendInt(append(b, `,"pending":`...), f.pending)
	f.Stream.Buf = append(b, "}\n"...)
	return f.Stream.End()
}

// goesOn tells whether to wait for more. A longpoll tells at once where a client is whose place is not of this database's
// history: the database was put back between two requests.
func (f *feed) goesOn() bool {
	return f.Waits() && !f.q.descending && !f.full() && !(f.Framing == wire.Longpoll && (f.count > 0 || f.q.elsewhere))
}

// full tells that no more rows are wanted.
func (f *feed) full() bool { return f.q.limit >= 0 && f.count >= f.q.limit }

func (f *feed) isGone() bool {
	select {
	case <-f.db.Gone():
		return true
	default:
		return false
	}
}

// read gives the rows after f.seen up to a sequence, 0 for the newest.
func (f *feed) read(ctx context.Context, to uint64) error {
	sq := store.ChangesQuery{
		Since: f.seen, To: to, Descending: f.q.descending, Limit: -1, AllLeaves: f.q.allLeaves,
		IncludeDocs: f.q.includeDocs, Conflicts: f.q.includeDocs && f.q.conflicts, Times: f.q.meta, InConflict: f.q.inConflict,
	}
	if f.q.limit >= 0 {
		if sq.Limit = f.q.limit - f.count; sq.Limit > 0 {
			sq.Limit += f.skip
		}
	}
	if f.q.inConflict { // a database that an older release has written to is looked through first
		if err := f.db.AwaitConflicts(ctx, f.Waiting); err != nil {
			return err
		}
	}
	if to == 0 {
		var err error
		if sq.To, err = f.db.UpdateSeq(ctx); err != nil {
			return err
		}
	}
	before := f.count
	end, err := f.filter.Changes(ctx, sq, f.row, f.Working, f.Waiting)
	if err != nil {
		return err
	}
	if f.count > before {
		f.Told()
	}
	return f.settle(ctx, &sq, end, f.count-before)
}

// settle finds last_seq and pending after a read that gave so many rows.
func (f *feed) settle(ctx context.Context, sq *store.ChangesQuery, end store.ChangesEnd, rows int) error {
	f.pending = end.Pending
	if f.filter.Chosen() || f.q.descending {
		// What the filter left out counts as pending here, and so does what lies
		// before the oldest row.
		from := sq.Since
		if f.q.descending {
			from = 0
		}
		if !f.filter.Chosen() {
			rows = end.Seen
		}
		rest, err := f.db.Changes(ctx, store.ChangesQuery{Since: from, InConflict: f.q.inConflict}, nil, f.Working)
		if err != nil {
			return err
		}
		f.pending = max(rest.Pending-rows, 0)
	}
	switch {
	case f.q.descending && end.LastRow == 0 && (f.full() || f.filter.Chosen()):
		f.last = sq.To
	case f.q.descending && f.filter.Chosen():
		f.last = end.LastRow
	case f.q.descending, f.full():
		f.last = max(end.Last, end.Beyond)
	case f.filter.Chosen():
		f.last = sq.To
	case end.Last > sq.Since:
		f.last = end.Last
	}
	f.seen = sq.To
	return nil
}

// row appends a row.
func (f *feed) row(c *store.Change) error {
	if f.skip > 0 {
		f.skip--
		return nil
	}
	b := f.Stream.Buf
	if f.Framing == wire.EventSource {
		b = append(b, "data: "...)
	} else if f.Framed() && f.count > 0 {
		b = append(b, ",\n"...)
	}
	wanted := f.q.seqWanted(f.count)
	if wanted {
		b = wire.AppendSeq(append(b, `{"seq":`...), f.db, c.Seq)
	} else {
		b = append(b, `{"seq":null`...)
	}
	b = jsonscan.AppendString(append(b, `,"id":`...), c.ID)
	b = wire.AppendBranches(b, c.Revs, c.Ancestors)
	if c.Deleted {
		b = append(b, `,"deleted":true`...)
	}
	if f.q.meta {
		b = f.appendMeta(b, c)
	}
	if c.Doc != nil {
		f.Stream.Buf = append(b, `,"doc":`...)
		if fields := f.filter.Fields(); fields != nil {
			f.Stream.Buf = fields.Append(f.Stream.Buf, c.Doc)
		} else {
			attachments.AppendRow(f.ctx, f.Stream, f.db, c.Doc, f.q.attachments)
		}
		b = f.Stream.Buf
	}
	b = append(b, '}')
	switch f.Framing {
	case wire.EventSource:
		if wanted {
			b = f.db.Seq(c.Seq).AppendTo(append(b, "\nid: "...))
		}
		b = append(b, "\n\n"...)
	case wire.Continuous:
		b = append(b, '\n')
	}
	f.Stream.Buf = b
	f.count++
	return nil
}
