package replications

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
)

var errInvalidPath = wire.BadRequest("Invalid path")

// NoScheduler answers below /_scheduler/ where there is nothing.
func (a *Room) NoScheduler(w http.ResponseWriter, r *http.Request) error {
	return wire.WriteJSON(w, r, http.StatusNotFound, []byte(`{"error":"not found"}`))
}

// SchedulerJobs answers GET /_scheduler/jobs, and of one job.
func (a *Room) SchedulerJobs(w http.ResponseWriter, r *http.Request) error {
	if a.replicator == nil {
		return wire.ErrNotBuilt
	}
	path, err := wire.Rest(r)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return a.allJobs(w, r)
	}
	// A plus in a path reads as a space, and ids have pluses.
	id := strings.ReplaceAll(strings.Join(path, "/"), " ", "+")
	status, err := a.replicator.Status(id)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, status.JobJSON())
}

// RetryJob answers POST /_scheduler/jobs/id/_retry: a job that waits after a failure runs as soon as
// there is room. The answer is the job.
func (a *Room) RetryJob(w http.ResponseWriter, r *http.Request) error {
	if a.replicator == nil {
		return wire.ErrNotBuilt
	}
	id, err := wire.Segment(r, "id")
	if err != nil {
		return err
	}
	status, err := a.replicator.Retry(strings.ReplaceAll(id, " ", "+"))
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, status.JobJSON())
}

// SchedulerDocs answers GET /_scheduler/docs, of one database, and of one document.
func (a *Room) SchedulerDocs(w http.ResponseWriter, r *http.Request) error {
	if a.replicator == nil {
		return wire.ErrNotBuilt
	}
	path, err := wire.Rest(r)
	if err != nil {
		return err
	}
	if len(path) == 0 {
		return a.docsOf(w, r, "_replicator")
	}
	// A database's name may hold slashes, escaped or not; its end is known.
	end := slices.IndexFunc(path, access.IsReplicator)
	if end < 0 {
		return errInvalidPath
	}
	db, id := strings.Join(path[:end+1], "/"), strings.Join(path[end+1:], "/")
	if id == "" {
		return a.docsOf(w, r, db)
	}
	doc, err := a.replicator.ScheduledDoc(r.Context(), db, id)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, doc)
}

func (a *Room) allJobs(w http.ResponseWriter, r *http.Request) error {
	skip, limit, err := schedulerPage(r, 100)
	if err != nil {
		return err
	}
	all := a.replicator.Jobs()
	from := min(skip, len(all))
	b := schedulerHead(len(all), from, "jobs")
	for i := range all[from : from+min(limit, len(all)-from)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, all[from+i].JobJSON()...)
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, `]}`...))
}

func (a *Room) docsOf(w http.ResponseWriter, r *http.Request, db string) error {
	skip, limit, err := schedulerPage(r, math.MaxInt)
	if err != nil {
		return err
	}
	states, err := statesOf(r)
	if err != nil {
		return err
	}
	var rows []byte
	total, err := a.replicator.ScheduledDocs(r.Context(), db, replicate.DocsQuery{States: states, Skip: skip, Limit: limit}, func(doc []byte) {
		if len(rows) > 0 {
			rows = append(rows, ',')
		}
		rows = append(rows, doc...)
	})
	if err != nil {
		return err
	}
	b := append(schedulerHead(total, min(skip, total), "docs"), rows...)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, `]}`...))
}

func schedulerHead(total, offset int, what string) []byte {
	b := strconv.AppendInt([]byte(`{"total_rows":`), int64(total), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), int64(offset), 10)
	return append(b, `,"`+what+`":[`...)
}

func schedulerPage(r *http.Request, most int) (skip, limit int, err error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return 0, 0, err
	}
	number := func(name string, value int) int {
		text, ok := query.Get(name)
		if !ok || err != nil {
			return value
		}
		n, ok := wire.ParseInteger(text)
		switch {
		case !ok:
			err = wire.Errorf(http.StatusBadRequest, "query_parse_error", "%s must be an integer", name)
		case n < 0:
			err = wire.Errorf(http.StatusBadRequest, "query_parse_error", "%s not in range (0,infinity)", name)
		}
		return n
	}
	skip, limit = number("skip", 0), number("limit", most)
	return skip, limit, err
}

// statesOf reads which states are asked for; nil is all.
func statesOf(r *http.Request) ([]replicate.State, error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return nil, err
	}
	text, ok := query.Get("states")
	if !ok {
		return nil, nil
	}
	var states []replicate.State
	for word := range strings.SplitSeq(text, ",") {
		state := replicate.State(strings.TrimSpace(word))
		switch state {
		case replicate.Initializing, replicate.Errored, replicate.Pending, replicate.Running, replicate.Crashing, replicate.Paused, replicate.Completed, replicate.Failed:
			states = append(states, state)
		default:
			return nil, wire.Errorf(http.StatusBadRequest, "query_parse_error", "Unknown replication state %q", word)
		}
	}
	return states, nil
}

// Scheduler is what a Replicator shows of its jobs.
type Scheduler interface {
	// Jobs returns all jobs, in the order of their ids.
	Jobs() []replicate.Status
	// Status returns the status of one job, or replicate.ErrNoJob.
	Status(id string) (replicate.Status, error)
	// Retry makes a job that waits after a failure run as soon as there is room, and returns its
	// status. Any other job stays as it is. The error is replicate.ErrNoJob.
	Retry(id string) (replicate.Status, error)
	// ScheduledDoc returns what _scheduler/docs shows of one document, or store.ErrMissing.
	ScheduledDoc(ctx context.Context, db, id string) ([]byte, error)
	// ScheduledDocs calls fn for the documents of a _replicator database that are in one of
	// the query's states, in the order of their ids, and counts all of them.
	ScheduledDocs(ctx context.Context, db string, q replicate.DocsQuery, fn func(doc []byte)) (total int, err error)
}
