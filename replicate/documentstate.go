package replicate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// writeTries is how often we try to write a job's state into its document while others write
// there too.
const writeTries = 10

// notify writes the state of a document's job into the document. As in CouchDB, only the end
// is written unless the settings say otherwise. A state that changes all the time would
// create revisions without end.
func (d *documents) notify(ctx context.Context, owner Owner, key [32]byte, s Status) {
	set := map[string][]byte{memberState: nil, memberReason: nil, memberStats: nil, memberID: nil}
	switch {
	case s.State == Completed:
		set[memberState] = []byte(`"completed"`)
		set[memberStats] = s.stats()
	case s.State == Running && d.m.settings().UpdateDocs:
		set[memberState] = []byte(`"triggered"`)
		set[memberID] = jsonscan.AppendString(nil, s.ID)
	case s.State == Crashing && d.m.settings().UpdateDocs:
		set[memberState] = []byte(`"error"`)
		set[memberReason] = jsonscan.AppendString(nil, s.LastError)
		set[memberID] = jsonscan.AppendString(nil, s.ID)
	default:
		return
	}
	// A short failure of the storage must not leave a document without the end of its job.
	for try := 1; ; try++ {
		err := d.write(ctx, owner, key, set)
		if err == nil {
			return
		}
		d.trouble(err)
		timer := time.NewTimer(retryDocuments)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if try == writeTries || ctx.Err() != nil {
			return
		}
	}
}

// fail writes into a document why it can never run.
func (d *documents) fail(ctx context.Context, owner Owner, key [32]byte, why error) error {
	d.m.opt.Log.Warn("a document of _replicator cannot run", "db", owner.DB, "doc", owner.Doc, "error", why)
	return d.write(ctx, owner, key, map[string][]byte{
		memberState: []byte(`"failed"`), memberReason: jsonscan.AppendString(nil, why.Error()), memberID: nil, memberStats: nil,
	})
}

// write changes only the server's members of a document, and only if the rest of the
// document still has this key. A document that tells the end of its job is left alone: another
// process that had the lease for a time may have written it.
func (d *documents) write(ctx context.Context, owner Owner, key [32]byte, set map[string][]byte) error {
	db, err := d.m.opt.Store.Bare(ctx, owner.DB, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Release()
	set[memberTime] = jsonscan.AppendString(nil, stamp(d.m.opt.Now()))
	for range writeTries {
		old, err := db.Get(ctx, owner.Doc, store.ReadOptions{})
		if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) || errors.Is(err, store.ErrNoDB) {
			return nil
		}
		if err != nil {
			return err
		}
		said, _ := parseDocument(old.Body)
		if said.key != key || said.over() {
			return nil // the key: it is about another replication now
		}
		body, err := edited(old.Body, set)
		if err != nil {
			return err
		}
		doc, err := document.Parse(body, document.Options{})
		if err != nil {
			return err
		}
		doc.ID, doc.HasID, doc.Rev, doc.HasRev = old.ID, true, old.Rev, true
		edit := store.Edit{Doc: doc}
		for i := range old.Attachments {
			edit.Attachments = append(edit.Attachments, store.EditAttachment{Name: old.Attachments[i].Name})
		}
		_, err = db.Put(ctx, edit, store.WriteOptions{})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		timer := time.NewTimer(rand.N(50 * time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return store.ErrConflict
}

// stats returns the counters of a finished job as its document stores them.
func (s *Status) stats() []byte {
	object := s.Progress.done()
	object["start_time"] = stamp(s.Started)
	return Marshal(object)
}

// done returns the counters of a finished job, which has no pending changes.
func (p *Progress) done() map[string]any {
	object := map[string]any{}
	p.fill(object)
	object["changes_pending"] = nil
	delete(object, "source_seq")
	delete(object, "through_seq")
	return object
}

// stamp formats a time as CouchDB does for jobs.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
