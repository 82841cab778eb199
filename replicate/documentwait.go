package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// waitingDoc is a document whose replication cannot become a job yet, because a request to
// _replicate has started the same one. That lasts for as long as the request's job, so the
// document has not failed, and nothing is written into it. CouchDB calls the state error.
type waitingDoc struct {
	key            [32]byte // hash of what the document says
	why            string
	tries          int
	since, changed time.Time
	again          bool // it is being tried again
}

// awaits makes a document wait for the end of the job that another owner has. It tells whether
// that is what err is about.
func (d *documents) awaits(owner Owner, key [32]byte, err error) bool {
	taken, ok := errors.AsType[*Taken](err)
	if !ok || taken.Owner != (Owner{}) { // a document's own job does not end before the document does
		return false
	}
	now := d.m.opt.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.waiting[owner]
	if w == nil || w.key != key {
		w = &waitingDoc{key: key, since: now}
		d.waiting[owner] = w
	}
	w.why, w.changed, w.again = err.Error(), now, false
	w.tries++
	return true
}

// isAwaiting tells whether a document waits already as it is.
func (d *documents) isAwaiting(owner Owner, key [32]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.waiting[owner]
	return w != nil && w.key == key && !w.again
}

// freed lets the documents try again: a job that no document owns is over. The caller may hold locks.
func (d *documents) freed() {
	if d == nil {
		return
	}
	select {
	case d.free <- struct{}{}:
	default: // they are about to
	}
}

// tryAgain tries to run the documents that wait.
func (d *documents) tryAgain(ctx context.Context) error {
	var owners []Owner
	d.mu.Lock()
	for owner, w := range d.waiting {
		w.again = true
		owners = append(owners, owner)
	}
	d.mu.Unlock()
	for _, owner := range owners {
		if err := d.tryDocument(ctx, owner); err != nil {
			return err
		}
	}
	return nil
}

func (d *documents) tryDocument(ctx context.Context, owner Owner) error {
	db, err := d.m.opt.Store.Bare(ctx, owner.DB, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		return nil // an event follows
	}
	if err != nil {
		return err
	}
	defer db.Release()
	doc, err := db.Get(ctx, owner.Doc, store.ReadOptions{})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.take(ctx, owner, readDoc{id: owner.Doc, body: doc.Body}, false)
}

// awaiting fills in what _scheduler/docs shows of a document that waits, if it does.
func (d *documents) awaiting(owner Owner, object map[string]any) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.waiting[owner]
	if w == nil {
		return false
	}
	object["state"], object["info"], object["error_count"] = Errored, map[string]json.RawMessage{"error": jsonscan.AppendString(nil, w.why)}, w.tries
	object["start_time"], object["last_updated"], object["node"] = stamp(w.since), stamp(w.changed), d.m.opt.Node
	return true
}
