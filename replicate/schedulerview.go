package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// JobJSON returns a job as _scheduler/jobs shows it.
func (s *Status) JobJSON() []byte {
	type event struct {
		Time   string `json:"timestamp"`
		Type   string `json:"type"`
		Reason string `json:"reason,omitempty"`
	}
	history := make([]event, len(s.History))
	for i, e := range s.History {
		history[i] = event{stamp(e.Time), e.Type, e.Reason}
	}
	object := map[string]any{
		"id": s.ID, "database": orNull(s.Owner.DB), "doc_id": orNull(s.Owner.Doc), "user": orNull(s.User), "node": s.Node, "pid": nil,
		"source": s.Source, "target": s.Target, "history": history, "info": s.info(), "start_time": stamp(s.Added),
	}
	if s.State == Running {
		object["pid"] = orNull(s.PID)
	}
	s.promise(object)
	return Marshal(object)
}

// docState is the state of the job's document. As in CouchDB, whose job begins only when it has
// read the filter function, that is an error, and no crash, while the source has none.
func (s *Status) docState() State {
	if s.NoFilter {
		return Errored
	}
	return s.State
}

// DocJSON returns the job of a document as _scheduler/docs shows it.
func (s *Status) DocJSON() []byte {
	object := map[string]any{
		"database": s.Owner.DB, "doc_id": s.Owner.Doc, "id": s.ID, "node": s.Node, "state": s.docState(), "error_count": s.Errors,
		"info": s.info(), "start_time": stamp(s.Added), "last_updated": stamp(s.Changed),
		"source": s.Source, "target": s.Target, "source_proxy": nil, "target_proxy": nil,
	}
	s.promise(object)
	return Marshal(object)
}

// promise says when a job that has failed is tried again.
func (s *Status) promise(object map[string]any) {
	if s.State == Crashing && !s.NextTry.IsZero() {
		object["next_try"] = stamp(s.NextTry)
	}
}

// info says what a job has done, or why it fails.
func (s *Status) info() map[string]any {
	object := map[string]any{}
	if s.State == Crashing {
		object["error"] = s.LastError
		return object
	}
	s.Progress.fill(object)
	if s.LastError != "" {
		object["error"] = s.LastError
	}
	return object
}

// ScheduledDoc shows one document as _scheduler/docs does, or returns store.ErrMissing.
func (m *Manager) ScheduledDoc(ctx context.Context, db, id string) ([]byte, error) {
	if !m.follows(db) || strings.HasPrefix(id, "_") {
		return nil, store.ErrMissing
	}
	h, err := m.opt.Store.Bare(ctx, db, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		return nil, store.ErrMissing
	}
	if err != nil {
		return nil, err
	}
	defer h.Release()
	doc, err := h.Get(ctx, id, store.ReadOptions{})
	if errors.Is(err, store.ErrDeleted) {
		err = store.ErrMissing
	}
	if err != nil {
		return nil, err
	}
	_, shown := m.scheduledDoc(db, id, doc.Body, m.jobsElsewhere(ctx))
	return shown, nil
}

func (m *Manager) follows(db string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.docs != nil && IsReplicator(db)
}

// DocsQuery asks for documents of a _replicator database.
type DocsQuery struct {
	States      []State // only documents in these states; nil: in any
	Skip, Limit int
}

// ScheduledDocs calls fn for documents of a _replicator database, in the order of their ids.
// total also counts documents that Skip and Limit leave out.
func (m *Manager) ScheduledDocs(ctx context.Context, db string, q DocsQuery, fn func(doc []byte)) (total int, err error) {
	if !m.follows(db) {
		return 0, nil
	}
	h, err := m.opt.Store.Bare(ctx, db, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer h.Release()
	elsewhere := m.jobsElsewhere(ctx)
	err = h.AllDocs(ctx, store.AllDocsQuery{Limit: -1, IncludeDocs: true}, func(store.Page) error { return nil }, func(r *store.Row) error {
		id := string(r.ID)
		if strings.HasPrefix(id, "_") || r.Doc == nil {
			return nil
		}
		state, shown := m.scheduledDoc(db, id, r.Doc.Body, elsewhere)
		if q.States != nil && !slices.Contains(q.States, state) {
			return nil
		}
		if total >= q.Skip && total-q.Skip < q.Limit {
			fn(shown)
		}
		total++
		return nil
	}, func() error { return nil })
	return total, err
}

// scheduledDoc shows a document: from its job or, if that is over, from what is written in
// the document.
func (m *Manager) scheduledDoc(db, id string, body []byte, elsewhere map[string][]foreign) (State, []byte) {
	owner := Owner{db, id}
	job, known := m.docs.jobOf(owner)
	if known {
		if s := shown(m.statusHere(job), elsewhere[job]); s != nil && s.Owner == owner {
			return s.docState(), s.DocJSON()
		}
	}
	if !known { // this process has not read it yet
		for _, others := range elsewhere {
			if s := shown(nil, others); s.Owner == owner {
				return s.docState(), s.DocJSON()
			}
		}
	}
	said, _ := parseDocument(body)
	object := map[string]any{"database": db, "doc_id": id, "id": nil, "error_count": 0, "start_time": nil, "last_updated": nil}
	object["source"], object["target"] = orNull(said.spec.Source.Name()), orNull(said.spec.Target.Name())
	if m.docs.awaiting(owner, object) {
		return Errored, Marshal(object)
	}
	state := Initializing
	switch State(said.state) {
	case Completed, Failed:
		state = State(said.state)
	}
	object["state"], object["info"] = state, nil
	_ = jsonscan.EachMember(body, func(name, value []byte) error { // a stored document is valid JSON
		switch string(name) {
		case memberTime:
			object["last_updated"] = json.RawMessage(value)
			if object["start_time"] == nil {
				object["start_time"] = json.RawMessage(value)
			}
		case memberReason:
			if state == Failed {
				object["info"] = map[string]any{"error": json.RawMessage(value)}
				object["error_count"] = 1
			}
		case memberStats:
			stats := map[string]json.RawMessage{}
			if state != Completed || json.Unmarshal(value, &stats) != nil {
				return nil
			}
			if start := stats["start_time"]; start != nil {
				object["start_time"] = start
				delete(stats, "start_time")
			}
			object["info"] = stats
		}
		return nil
	})
	return state, Marshal(object)
}

// replicatorNames finds the _replicator databases of a store.
func replicatorNames(ctx context.Context, s *store.Store) (found []string, err error) {
	const page = 1000
	for after := ""; ; {
		names, err := s.Names(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if IsReplicator(name) {
				found = append(found, name)
			}
		}
		if len(names) < page {
			return found, nil
		}
		after = names[len(names)-1]
	}
}
