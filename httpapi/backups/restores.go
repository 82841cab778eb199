package backups

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// restores are what was restored from the server's own target, since the server started: one at a time.
type restores struct {
	mu    sync.Mutex // guards what follows
	next  int
	last  []*restoring // the newest first
	going *restoring   // nil: none
	over  chan struct{}
}

// remembered is how many restores are shown.
const remembered = 20

// States of a restore.
const (
	running = "running"
	done    = "done"
	failed  = "failed"
	stopped = "stopped"
)

// restoring is a restore, as it is shown.
type restoring struct {
	ID        string             `json:"id"`
	Backup    string             `json:"backup"`
	Database  string             `json:"db,omitempty"`
	As        string             `json:"as,omitempty"` // the database that it comes to
	All       *restoringAll      `json:"all,omitempty"`
	Documents []string           `json:"doc_ids,omitempty"`
	Replace   bool               `json:"replace"`
	DryRun    bool               `json:"dry_run"`
	User      string             `json:"user"`
	State     string             `json:"state"`
	Started   time.Time          `json:"started"`
	Updated   time.Time          `json:"updated"`
	Ended     *time.Time         `json:"ended"`
	Docs      uint64             `json:"docs"` // that have come
	Total     uint64             `json:"total_docs"`
	Bytes     int64              `json:"bytes"`
	Restored  []restoredDocument `json:"restored,omitempty"`
	Error     *restoreError      `json:"error"`

	stop context.CancelFunc
}

// restoringAll is what is shown of the restore of a whole server. Stopped or failed in the middle, it has
// restored the first databases.
type restoringAll struct {
	Missing   bool     `json:"missing"` // only databases that were not there
	Databases int      `json:"databases"`
	Done      int      `json:"databases_done"`
	Now       string   `json:"now,omitempty"` // the database that it is at
	Replaced  int      `json:"replaced"`      // databases that were there
	Names     []string `json:"replaced_names"`
}

// namedReplaced is how many databases that are replaced are named.
const namedReplaced = 20

type restoredDocument struct {
	ID      string `json:"id"`
	Rev     string `json:"rev"`
	Already bool   `json:"already"`
}

type restoreError struct {
	Word   string `json:"error"`
	Reason string `json:"reason"`
}

// restoreRequest is the body of POST /_backups/{id}/_restore.
type restoreRequest struct {
	Database  string   `json:"db"`
	All       bool     `json:"all"`
	Missing   bool     `json:"missing"`
	As        string   `json:"as"`
	Documents []string `json:"doc_ids"`
	Replace   bool     `json:"replace"`
	DryRun    bool     `json:"dry_run"`
}

// mostDocuments is how many documents one restore may name.
const mostDocuments = 1000

// sound tells whether the request says one thing.
func (q *restoreRequest) sound() bool {
	if q.All {
		return q.Database == "" && q.As == "" && len(q.Documents) == 0 && !(q.Missing && q.Replace)
	}
	return q.Database != "" && !q.Missing && len(q.Documents) <= mostDocuments
}

// StartRestore answers POST /_backups/{id}/_restore: a server, a database, or documents of one are restored
// from the server's own target, by a task of the server.
func (b *Room) StartRestore(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	id, err := wire.Segment(r, "id")
	if err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	var q restoreRequest
	if err := json.Unmarshal(body, &q); err != nil || !q.sound() {
		return wire.BadRequest(`The body must be {"db": ..., "as": ..., "doc_ids": [...], "replace": ..., "dry_run": ...}, with db, and with no more than %d doc_ids, or {"all": true, "missing": ..., "replace": ..., "dry_run": ...}, with only one of missing and replace.`, mostDocuments)
	}
	into := cmp.Or(q.As, q.Database)
	var total uint64
	err = b.look(r, func(ctx context.Context, repo *repository.Repository) error {
		one, err := find(ctx, repo, id)
		if err != nil {
			return err
		}
		if q.All {
			return nil
		}
		i, err := one.Find(q.Database)
		if err != nil {
			return err
		}
		if total = one.Chains[i].Documents; len(q.Documents) > 0 {
			total = uint64(len(q.Documents))
			return nil
		}
		there, err := repository.Local{Store: b.store}.There(ctx, into)
		if err == nil && there > 0 && !q.Replace { // known before anything is read
			err = &repository.ExistError{Names: []string{into}}
		}
		return err
	})
	if err != nil {
		return err
	}
	one := &restoring{
		Backup: id, Database: q.Database, As: into, Documents: q.Documents, Replace: q.Replace, DryRun: q.DryRun, User: wire.UserOf(r).Name,
		State: running, Total: total,
	}
	if q.All {
		one.All = &restoringAll{Missing: q.Missing, Names: []string{}}
	}
	user := wire.UserOf(r)
	if !b.restores.begin(one, func(ctx context.Context) { b.work(ctx, one, user) }, b.closing) {
		return wire.Errorf(http.StatusConflict, "conflict", "Another restore is going on. Wait for its end, or stop it with DELETE /_backups/_restores/ID.")
	}
	w.Header()["Location"] = []string{wire.Absolute(r, "/_backups/_restores/"+one.ID)}
	return writeJSON(w, r, http.StatusAccepted, map[string]any{"ok": true, "id": one.ID})
}

// begin starts a restore, unless one is going on. Its goroutine ends with its work, which Stop and the
// end of the server cut; Wait waits for it.
func (t *restores) begin(one *restoring, work func(context.Context), closing <-chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.going != nil {
		return false
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	t.next++
	one.ID, one.Started, one.stop = fmt.Sprint(t.next), time.Now(), stop
	one.Updated = one.Started
	t.going, t.over = one, over
	t.last = slices.Insert(t.last, 0, one)
	t.last = t.last[:min(len(t.last), remembered)]
	go func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.going = nil
			close(over)
		}()
		defer stop()
		go func() { // ends with the context
			select {
			case <-closing:
				stop()
			case <-ctx.Done():
			}
		}()
		work(ctx)
	}()
	return true
}

// Wait waits for the restore that is going on.
func (b *Room) Wait(ctx context.Context) error {
	b.restores.mu.Lock()
	over := b.restores.over
	b.restores.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change changes what is shown of a restore.
func (t *restores) change(one *restoring, fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.Updated = time.Now()
	fn()
}

// work does a restore.
func (b *Room) work(ctx context.Context, one *restoring, user auth.User) {
	err := b.restore(ctx, one, user)
	b.restores.change(one, func() {
		ended := one.Updated
		one.Ended, one.State = &ended, done
		switch {
		case err != nil && ctx.Err() != nil:
			one.State, one.Error = stopped, &restoreError{"stopped", "The restore was stopped."}
		case err != nil:
			f := fault.Of(ofTarget(ctx, err))
			one.State, one.Error = failed, &restoreError{f.Word, f.Reason}
		}
	})
	if err != nil && ctx.Err() == nil {
		b.log.Error("restore from a backup", "backup", one.Backup, "database", one.As, "error", err)
	} else {
		b.log.Info("restore from a backup", "backup", one.Backup, "database", one.As, "state", one.State, "dry_run", one.DryRun)
	}
}

func (b *Room) restore(ctx context.Context, one *restoring, user auth.User) error {
	repo, err := b.target.Look(ctx)
	if err != nil {
		return err
	}
	repo.Wait = 5 * time.Minute // for prune: nobody waits for the answer
	from, err := find(ctx, repo, one.Backup)
	if err != nil {
		return err
	}
	to := &sink{Local: repository.Local{Store: b.store}, room: b, user: user}
	to.progress = func(p backup.Progress) {
		b.restores.change(one, func() { one.Docs, one.Bytes = min(p.Documents, one.Total), p.Bytes })
	}
	if one.All != nil {
		return b.restoreAll(ctx, repo, to, from, one)
	}
	if len(one.Documents) > 0 {
		return repo.RestoreDocuments(ctx, to, from, repository.RestoringDocuments{
			Database: one.Database, As: one.As, IDs: one.Documents, Replace: one.Replace, Dry: one.DryRun,
			Done: func(d repository.RestoredDocument) {
				b.restores.change(one, func() {
					one.Docs++
					one.Restored = append(one.Restored, restoredDocument(d))
				})
			},
		})
	}
	return repo.Restore(ctx, to, from, repository.Restoring{
		Database: one.Database, As: one.As, Replace: one.Replace, Dry: one.DryRun,
		Done: func(_ string, c *repository.Chain) {
			b.restores.change(one, func() { one.Docs = one.Total })
		},
	})
}

// restoreAll restores a whole server.
func (b *Room) restoreAll(ctx context.Context, repo *repository.Repository, to *sink, from *repository.Backup, one *restoring) error {
	all := one.All
	to.progress = nil
	var before uint64 // documents of the databases that are done
	return repo.Restore(ctx, to, from, repository.Restoring{
		Missing: all.Missing, Replace: one.Replace, Dry: one.DryRun,
		Planned: func(p repository.Plan) {
			b.restores.change(one, func() {
				one.Total, all.Databases, all.Replaced = p.Documents, p.Databases, len(p.Replaced)
				all.Names = append(all.Names, p.Replaced[:min(namedReplaced, len(p.Replaced))]...)
			})
		},
		Progress: func(p repository.Progress) {
			b.restores.change(one, func() { all.Now, one.Docs, one.Bytes = p.Database, max(before, min(p.Documents, one.Total)), p.Bytes })
		},
		Done: func(_ string, c *repository.Chain) {
			before += c.Documents
			b.restores.change(one, func() { all.Done++; one.Docs = before })
		},
	})
}

// ListRestores answers GET /_backups/_restores: what was restored since the server started, the newest
// first.
func (b *Room) ListRestores(w http.ResponseWriter, r *http.Request) error {
	b.restores.mu.Lock()
	answer, err := json.Marshal(map[string]any{"restores": slices.Concat([]*restoring{}, b.restores.last)})
	b.restores.mu.Unlock()
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, answer)
}

var errNoRestore = wire.Errorf(http.StatusNotFound, "not_found", "There is no such restore.")

// GetRestore answers GET /_backups/_restores/{id}.
func (b *Room) GetRestore(w http.ResponseWriter, r *http.Request) error {
	answer, err := b.withRestore(r, func(one *restoring) ([]byte, error) { return json.Marshal(one) })
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, answer)
}

// StopRestore answers DELETE /_backups/_restores/{id}: it is cut. A database that was not there yet does
// not appear.
func (b *Room) StopRestore(w http.ResponseWriter, r *http.Request) error {
	answer, err := b.withRestore(r, func(one *restoring) ([]byte, error) {
		if one.State != running {
			return nil, wire.Errorf(http.StatusConflict, "conflict", "The restore has ended.")
		}
		one.stop()
		return []byte(`{"ok":true}`), nil
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusAccepted, answer)
}

// withRestore calls fn with the restore that the path names.
func (b *Room) withRestore(r *http.Request, fn func(*restoring) ([]byte, error)) ([]byte, error) {
	id, err := wire.Segment(r, "id")
	if err != nil {
		return nil, err
	}
	b.restores.mu.Lock()
	defer b.restores.mu.Unlock()
	for _, one := range b.restores.last {
		if one.ID == id {
			return fn(one)
		}
	}
	return nil, errNoRestore
}

// task is the restore that is going on, as _active_tasks shows it.
func (t *restores) task() []map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.going
	if one == nil {
		return nil
	}
	task := map[string]any{
		"type": "restore_from_backup", "node": "nonode@nohost", "pid": fmt.Sprintf("<0.%d.r%s>", os.Getpid(), one.ID), "restore": one.ID, "backup": one.Backup,
		"database": one.As, "started_on": one.Started.Unix(), "updated_on": one.Updated.Unix(), "docs": one.Docs, "total_docs": one.Total, "bytes": one.Bytes,
	}
	if one.Total > 0 {
		task["progress"] = min(100*one.Docs/one.Total, 100)
	}
	return []map[string]any{task}
}
