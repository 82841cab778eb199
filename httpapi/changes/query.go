package changes

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
)

var (
	errFeedType     = wire.BadRequest("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
	errSeqInterval  = wire.BadRequest("invalid_seq_interval")
	errHeartbeat    = wire.BadRequest("The heartbeat value should be a positive integer (in milliseconds).")
	errHeartbeatNaN = wire.BadRequest("Invalid heartbeat value. Expecting a positive integer value (in milliseconds).")
)

// noLimit stands for no limit in the arithmetic of seq_interval, as in CouchDB.
const noLimit = 1_000_000_000_000_000

// query is what the query of _changes says. As in CouchDB, the case of parameter names does not
// matter, a boolean that is not "true" is false, and unknown parameters are ignored.
type query struct {
	framing     wire.Framing
	since       string
	descending  bool
	limit       int // negative: none
	allLeaves   bool
	includeDocs bool
	conflicts   bool
	attachments attachments.Wanted // with the documents
	heartbeat   time.Duration      // 0: none
	timeout     time.Duration
	seqInterval int // 0: every row has its sequence
	filter      filter.Query
	meta        bool // rows tell the time of the change and the document's URL
	head        bool // only the header is wanted
	byTime      bool // since was a time
	elsewhere   bool // since is not of this database's history
	inConflict  bool // only documents in conflict
	skip        int  // rows to skip, if only these are wanted
}

func parseQuery(r *http.Request) (query, error) {
	q := query{framing: wire.Normal, since: "0", limit: -1, timeout: wire.SettingsOf(r).FeedTimeout}
	query, err := wire.QueryOf(r)
	if err != nil {
		return q, err
	}
	if err := query.Each(q.set); err != nil {
		return q, err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && q.framing == wire.EventSource {
		q.since = id
	}
	q.since = strings.Trim(q.since, `"`)
	if r.Method == http.MethodHead {
		q.framing, q.limit, q.head = wire.Normal, 0, true
	}
	return q, nil
}

// parseConflictsQuery reads the query of _conflicts, which has no filters and can skip rows.
func parseConflictsQuery(r *http.Request) (query, error) {
	q, err := parseQuery(r)
	q.inConflict, q.filter = true, filter.Query{}
	if err != nil {
		return q, err
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return q, err
	}
	if value, there := query.Get("skip"); there {
		n, ok := wire.ParseInteger(value)
		if !ok {
			return q, wire.BadRequest("`skip` must be an integer")
		}
		q.skip = max(n, 0)
	}
	return q, nil
}

func (q *query) set(name, value string) (err error) {
	yes := value == "true"
	switch strings.ToLower(name) {
	case "feed":
		q.framing = wire.Framing(value)
		switch q.framing {
		case wire.Normal, wire.Longpoll, wire.Continuous, wire.EventSource:
		case "live":
			q.framing = wire.Continuous
		default:
			return errFeedType
		}
	case "since", "last-event-id":
		q.since = value
	case "descending":
		q.descending = yes
	case "limit":
		var ok bool
		if q.limit, ok = wire.ParseInteger(value); !ok {
			return wire.BadRequest("`limit` must be an integer")
		}
	case "style":
		q.allLeaves = value == "all_docs"
	case "include_docs":
		q.includeDocs = yes
	case "conflicts":
		q.conflicts = yes
	case "meta":
		q.meta = yes
	case "attachments":
		q.attachments.All = yes
	case "att_encoding_info":
		q.attachments.Encodings = yes
	case "heartbeat":
		q.heartbeat, err = parseHeartbeat(value)
	case "timeout":
		ms, ok := wire.ParseInteger(value)
		if !ok || ms < 0 {
			return wire.BadRequest("`timeout` must be a positive integer (in milliseconds)")
		}
		q.timeout = millis(ms)
	case "seq_interval":
		var ok bool
		if q.seqInterval, ok = wire.ParseInteger(value); !ok || q.seqInterval <= 0 {
			return errSeqInterval
		}
	default:
		_, err = q.filter.Set(name, value)
	}
	return err
}

func parseHeartbeat(value string) (time.Duration, error) {
	if value == "true" {
		return wire.FeedTimeout, nil
	}
	ms, ok := wire.ParseInteger(value)
	if !ok {
		return 0, errHeartbeatNaN
	}
	if ms <= 0 {
		return 0, errHeartbeat
	}
	return millis(ms), nil
}

// millis is a number of milliseconds, or as much as matters of it.
func millis(n int) time.Duration {
	return min(time.Duration(min(n, int(wire.FeedTimeout/time.Millisecond)))*time.Millisecond, wire.FeedTimeout)
}

// start finds the sequence to begin after.
func (q *query) start(ctx context.Context, db *store.DB) (uint64, error) {
	if q.since == "now" {
		return db.UpdateSeq(ctx)
	}
	if t, is, err := parseInstant(q.since); is {
		if q.byTime = true; err != nil {
			return 0, err
		}
		return db.SinceTime(ctx, t)
	}
	n, err := db.ParseSeq(ctx, q.since)
	if errors.Is(err, store.ErrBadSeq) && q.descending {
		return 0, nil // it is not heeded then
	}
	if said, e := store.ReadSeq(q.since); e == nil {
		q.elsewhere = said.N > n
	}
	return n, err
}

// seqWanted tells whether a row carries its sequence, with so many rows before it.
func (q *query) seqWanted(before int) bool {
	if q.seqInterval == 0 {
		return true
	}
	limit := int64(noLimit)
	if q.limit >= 0 {
		limit = int64(q.limit)
	}
	return (limit-int64(before))%int64(q.seqInterval) == 0
}
