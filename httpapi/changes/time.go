package changes

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var errInstant = wire.BadRequest("`since` is neither a sequence nor a time such as `Thu, 29 Feb 2024 23:59:40 GMT` or `2024-02-29T23:59:40Z`")

// parseInstant reads a place in a feed that is given as a time: an HTTP date, as
// Last-Modified has it, or RFC 3339.
func parseInstant(text string) (t time.Time, is bool, err error) {
	if strings.IndexByte(text, ':') < 0 {
		return t, false, nil // no sequence has one, and every time has
	}
	if t, err = http.ParseTime(text); err == nil {
		return t, true, nil
	}
	// The plus of a zone is a space in a query that was not escaped.
	if t, err = time.Parse(time.RFC3339, strings.Replace(text, " ", "+", 1)); err != nil {
		return t, true, errInstant
	}
	return t, true, nil
}

// tellsModified tells whether to send Last-Modified. With a limit it costs a scan, and a client
// that continues by sequence does not need it.
func (q *query) tellsModified(since uint64) bool {
	return q.limit < 0 || q.descending || q.head || since == 0 || q.byTime
}

// newest reads the sequence that the first read ends at, and more than that only for
// Last-Modified: both are of one moment, or the time could be of a later change.
func (q *query) newest(ctx context.Context, db *store.DB, since uint64) (head store.Head, err error) {
	if q.tellsModified(since) {
		return db.Head(ctx)
	}
	head.Seq, err = db.UpdateSeq(ctx)
	return head, err
}

// setModified sets it for a feed whose first read ends at the head. A limit may end
// the answer earlier. Then it is the time of the last change that the answer can have.
func (q *query) setModified(ctx context.Context, h http.Header, db *store.DB, since uint64, head store.Head) error {
	if !q.tellsModified(since) {
		return nil
	}
	if q.descending || q.limit < 0 || q.head {
		wire.SetModified(h, head.Modified)
		return nil
	}
	var last time.Time
	end, err := db.Changes(ctx, store.ChangesQuery{Since: since, To: head.Seq, Limit: max(q.limit, 1), Times: true, InConflict: q.inConflict},
		func(c *store.Change) error { last = c.Time; return nil }, func() error { return nil })
	switch {
	case err != nil:
		return err
	case end.Done && q.limit > 0 || head.Seq == since:
		wire.SetModified(h, head.Modified)
	case !last.IsZero():
		wire.SetModified(h, last)
	}
	return nil
}

// appendMeta appends what meta=true adds to a row: when the change was committed, if
// that is known, and the document's URL.
func (f *feed) appendMeta(b []byte, c *store.Change) []byte {
	b = append(b, `,"updated":`...)
	if c.Time.IsZero() {
		b = append(b, `null`...)
	} else {
		b = append(c.Time.AppendFormat(append(b, '"'), time.RFC3339), '"')
	}
	id := string(c.ID)
	path := wire.EscapeSegment(id)
	if name, ok := strings.CutPrefix(id, "_design/"); ok {
		path = "_design/" + wire.EscapeSegment(name)
	}
	return wire.AppendString(append(b, `,"url":`...), f.base+path)
}
