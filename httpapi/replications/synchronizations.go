package replications

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate/synchronize"
	"github.com/tododb/tododb/store"
)

// Synchronizer keeps databases and remotes the same. *synchronize.Synchronizer is one.
type Synchronizer interface {
	// Create makes a synchronization of a database as the request says, and starts it.
	Create(ctx context.Context, db string, request synchronize.Request) (id string, err error)
	// IDs lists the synchronizations of a database, oldest first.
	IDs(ctx context.Context, db string) ([]string, error)
	// All lists the synchronizations of the whole server, oldest first. Some may be of a database
	// that is gone.
	All() []synchronize.Place
	// Show returns a synchronization as JSON, and the revision of its settings.
	Show(ctx context.Context, db, id string) (body []byte, rev string, err error)
	// Change changes the settings that the request names. rev, if not "", is the revision
	// that the user knows.
	Change(ctx context.Context, db, id, rev string, request synchronize.Request) error
	// Delete ends a synchronization.
	Delete(ctx context.Context, db, id, rev string) error
	// Reload takes those that the store has now: their database was restored.
	Reload(ctx context.Context) error
	// Wait waits until the first run of a synchronization has ended, successfully or not.
	Wait(ctx context.Context, db, id string) error
}

// maxWait is how long a client may ask to wait.
const maxWait = 10 * time.Minute

// openSynchronizations opens the database that the path names. Synchronizations are its
// administrators': what they bring in is written without asking who wrote it.
func (a *Room) openSynchronizations(r *http.Request) (*store.DB, error) {
	db, err := a.access.Open(r)
	if err == nil && a.synchronizer == nil {
		db.Release()
		return nil, wire.ErrNotBuilt
	}
	return db, err
}

// mayUse judges whether the user may replicate with another database of this server.
func (a *Room) mayUse(r *http.Request) func(name string, write bool) error {
	return func(name string, write bool) error {
		want := wire.Member
		if write {
			want = wire.DBAdmin
		}
		db, err := a.access.OpenNamed(r.Context(), name, wire.UserOf(r), want)
		if errors.Is(err, store.ErrNoDB) {
			return wire.BadRequest("There is no database %s; a URL must begin with http:// or https://", name)
		}
		if err != nil {
			return err
		}
		db.Release()
		return nil
	}
}

// ListSynchronizations answers GET /db/_synchronizations.
func (a *Room) ListSynchronizations(w http.ResponseWriter, r *http.Request) error {
	db, err := a.openSynchronizations(r)
	if err != nil {
		return err
	}
	defer db.Release()
	ids, err := a.synchronizer.IDs(r.Context(), db.Name())
	if err != nil {
		return err
	}
	b := []byte(`{"synchronizations":[`)
	rows := 0
	for _, id := range ids {
		body, _, err := a.synchronizer.Show(r.Context(), db.Name(), id)
		if errors.Is(err, synchronize.ErrNone) {
			continue // it has been ended meanwhile
		}
		if err != nil {
			return err
		}
		if rows++; rows > 1 {
			b = append(b, ',')
		}
		b = append(b, body...)
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "]}"...))
}

// AllSynchronizations answers GET /_scheduler/synchronizations: those of all databases, oldest
// first, by pages as SchedulerJobs has them.
func (a *Room) AllSynchronizations(w http.ResponseWriter, r *http.Request) error {
	if a.synchronizer == nil {
		return wire.ErrNotBuilt
	}
	skip, limit, err := schedulerPage(r, 100)
	if err != nil {
		return err
	}
	all := a.synchronizer.All()
	from := min(skip, len(all))
	b := schedulerHead(len(all), from, "synchronizations")
	rows := 0
	for _, place := range all[from : from+min(limit, len(all)-from)] {
		body, _, err := a.synchronizer.Show(r.Context(), place.DB, place.ID)
		if errors.Is(err, synchronize.ErrNone) || errors.Is(err, store.ErrNoDB) {
			continue // it ends, or its database has ended
		}
		if err != nil {
			return err
		}
		if rows++; rows > 1 {
			b = append(b, ',')
		}
		b = append(b, body...)
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "]}"...))
}

// CreateSynchronization answers POST /db/_synchronizations.
func (a *Room) CreateSynchronization(w http.ResponseWriter, r *http.Request) error {
	db, err := a.openSynchronizations(r)
	if err != nil {
		return err
	}
	defer db.Release()
	wait, wants, err := preferredWait(r)
	if err != nil {
		return err
	}
	request, err := a.synchronizationRequest(w, r)
	if err != nil {
		return err
	}
	id, err := a.synchronizer.Create(r.Context(), db.Name(), request)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if wants {
		w.Header()["Preference-Applied"] = []string{fmt.Sprintf("wait=%d", wait/time.Second)}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		switch err := a.synchronizer.Wait(ctx, db.Name(), id); {
		case errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil:
			status = http.StatusAccepted
		case err != nil:
			return err
		}
	}
	w.Header()["Location"] = []string{wire.Absolute(r, wire.DBPath(r)+"/_synchronizations/"+id)}
	return a.sendSynchronization(w, r, db, id, status)
}

// preferredWait reads how many seconds the client prefers to wait for the end.
func preferredWait(r *http.Request) (wait time.Duration, wants bool, err error) {
	for _, header := range r.Header["Prefer"] {
		for one := range strings.SplitSeq(header, ",") {
			name, value, _ := strings.Cut(one, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			seconds, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil || seconds < 0 {
				return 0, false, wire.BadRequest("Prefer: wait must be a number of seconds")
			}
			return min(time.Duration(min(seconds, int(maxWait/time.Second)))*time.Second, maxWait), true, nil
		}
	}
	return 0, false, nil
}

// synchronizationRequest reads what is wanted of a synchronization, and by whom.
func (a *Room) synchronizationRequest(w http.ResponseWriter, r *http.Request) (q synchronize.Request, err error) {
	if err := wire.RequireJSON(r); err != nil {
		return q, err
	}
	if q.Settings, err = wire.ReadKeptBody(w, r); err != nil {
		return q, err
	}
	if err := wire.RequireObject(q.Settings); err != nil {
		return q, err
	}
	q.By, err = a.access.ReplicationUser(r.Context(), wire.UserOf(r))
	q.May = a.mayUse(r)
	return q, err
}

// sendSynchronization shows one. Its ETag has two parts: the revision of its settings,
// which If-Match compares, and what tells whether anything at all is new.
func (a *Room) sendSynchronization(w http.ResponseWriter, r *http.Request, db *store.DB, id string, status int) error {
	body, rev, err := a.synchronizer.Show(r.Context(), db.Name(), id)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	etag := `"` + rev + "." + hex.EncodeToString(sum[:8]) + `"`
	w.Header()["Etag"] = []string{etag}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && wire.MatchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return wire.WriteJSON(w, r, status, body)
}

// knownRevision is the revision of the settings in If-Match; "" if any will do.
func knownRevision(r *http.Request) string {
	tag := strings.Trim(strings.TrimPrefix(strings.TrimSpace(r.Header.Get("If-Match")), "W/"), `"`)
	if tag == "*" {
		return ""
	}
	rev, _, _ := strings.Cut(tag, ".")
	return rev
}

// GetSynchronization answers GET /db/_synchronizations/id.
func (a *Room) GetSynchronization(w http.ResponseWriter, r *http.Request) error {
	return a.withSynchronization(r, func(db *store.DB, id string) error {
		return a.sendSynchronization(w, r, db, id, http.StatusOK)
	})
}

// ChangeSynchronization answers PUT /db/_synchronizations/id.
func (a *Room) ChangeSynchronization(w http.ResponseWriter, r *http.Request) error {
	return a.withSynchronization(r, func(db *store.DB, id string) error {
		request, err := a.synchronizationRequest(w, r)
		if err != nil {
			return err
		}
		if err := a.synchronizer.Change(r.Context(), db.Name(), id, knownRevision(r), request); err != nil {
			return err
		}
		return a.sendSynchronization(w, r, db, id, http.StatusOK)
	})
}

// DeleteSynchronization answers DELETE /db/_synchronizations/id.
func (a *Room) DeleteSynchronization(w http.ResponseWriter, r *http.Request) error {
	return a.withSynchronization(r, func(db *store.DB, id string) error {
		if err := a.synchronizer.Delete(r.Context(), db.Name(), id, knownRevision(r)); err != nil {
			return err
		}
		return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
	})
}

func (a *Room) withSynchronization(r *http.Request, fn func(db *store.DB, id string) error) error {
	db, err := a.openSynchronizations(r)
	if err != nil {
		return err
	}
	defer db.Release()
	id, err := wire.Segment(r, "id")
	if err != nil {
		return err
	}
	return fn(db, id)
}
