package replicate

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
)

// documents lets the scheduler run what the documents of _replicator databases ask for.
// One goroutine follows all these databases.
type documents struct {
	m   *Manager
	dbs map[string]store.Seq // how far the changes of each have been read; only follow uses it

	free chan struct{} // told when a job is over that no document owns

	mu      sync.Mutex // guards what follows
	jobs    map[Owner]documentJob
	waiting map[Owner]*waitingDoc
}

// documentJob is the job of a document.
type documentJob struct {
	id  string
	key [32]byte // hash of what the document said when the job was made
}

// retryDocuments is how long to wait after the storage has failed.
const retryDocuments = time.Second

// lookElsewhere is how often to look for what other processes have written, of which there may be no
// event here.
const lookElsewhere = 5 * time.Second

// FollowDocuments starts to run the documents of all _replicator databases.
func (m *Manager) FollowDocuments() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if m.docs != nil || m.opt.Store == nil {
		return nil
	}
	m.docs = &documents{m: m, dbs: map[string]store.Seq{}, free: make(chan struct{}, 1), jobs: map[Owner]documentJob{}, waiting: map[Owner]*waitingDoc{}}
	m.wg.Go(func() { m.docs.follow(m.ctx) })
	return nil
}

// follow reads what changes in _replicator databases until ctx ends. If other processes
// share them it also looks from time to time, because their writes cause no event.
func (d *documents) follow(ctx context.Context) {
	var seen uint64
	all, starting := true, true
	follower := d.m.opt.Store.Events().Follow(func(e *store.Event) bool { return IsReplicator(e.DB) })
	defer follower.Close()
	for ctx.Err() == nil {
		events, last := follower.Since(seen)
		again := time.Duration(0)
		if d.m.opt.Members != nil {
			again = min(d.m.settings().Interval, lookElsewhere)
		}
		if all {
			if err := d.readAll(ctx, starting); err != nil {
				d.trouble(err)
				again = retryDocuments
			} else {
				all, starting = false, false
				seen = last
			}
		} else {
			for _, e := range events {
				if err := d.read(ctx, e.DB, false); err != nil {
					d.trouble(err)
					all, again = true, retryDocuments
				}
			}
			seen = last
		}
		timer := time.NewTimer(again)
		tick := timer.C
		if again == 0 {
			tick = nil
		}
		select {
		case <-follower.News():
		case <-tick:
			all = true
		case <-d.free:
			if err := d.tryAgain(ctx); err != nil {
				d.trouble(err)
				time.AfterFunc(retryDocuments, d.freed)
			}
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (d *documents) trouble(err error) {
	if d.m.ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
		d.m.opt.Log.Error("cannot read or write documents of _replicator", "error", err)
	}
}

// readAll looks for _replicator databases and reads them.
func (d *documents) readAll(ctx context.Context, starting bool) error {
	names, err := replicatorNames(ctx, d.m.opt.Store)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, name := range names {
		found[name] = true
	}
	for name := range d.dbs {
		found[name] = true // perhaps gone
	}
	for name := range found {
		if err := d.read(ctx, name, starting); err != nil {
			return err
		}
	}
	return nil
}

// readDoc is a change of a document.
type readDoc struct {
	id      string
	deleted bool
	body    []byte
}

// read takes in what has changed in a database since the last time.
func (d *documents) read(ctx context.Context, name string, starting bool) error {
	db, err := d.m.opt.Store.Bare(ctx, name, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		d.dropAll(name)
		delete(d.dbs, name)
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Release()
	at := d.dbs[name]
	common, err := db.Common(ctx, at)
	if err != nil {
		return err
	}
	if common != at.N { // it is another database, or was put back
		d.dropAll(name)
		at = store.Seq{}
	}
	d.dbs[name] = at
	var page []readDoc
	end, err := db.Changes(ctx, store.ChangesQuery{Since: at.N, Limit: -1, IncludeDocs: true}, func(c *store.Change) error {
		doc := readDoc{id: string(c.ID), deleted: c.Deleted}
		if c.Doc != nil {
			doc.body = append([]byte(nil), c.Doc.Body...)
		}
		page = append(page, doc)
		return nil
	}, func() error {
		for _, doc := range page {
			if err := d.take(ctx, Owner{name, doc.id}, doc, starting); err != nil {
				return err
			}
		}
		page = page[:0]
		return nil
	})
	if errors.Is(err, store.ErrNoDB) { // deleted in the meantime; an event follows
		return nil
	}
	if err == nil {
		d.dbs[name] = db.Seq(end.Last)
	}
	return err
}

// take does what a document asks for now.
func (d *documents) take(ctx context.Context, owner Owner, doc readDoc, starting bool) error {
	if strings.HasPrefix(doc.id, "_design/") {
		return nil
	}
	if doc.deleted {
		d.forget(owner)
		return d.drop(ctx, owner, false)
	}
	said, err := parseDocument(doc.body)
	switch said.state {
	case "", "triggered", "error", "initializing", "pending", "running", "crashing":
	case string(Completed), string(Failed):
		d.forget(owner)
		return d.drop(ctx, owner, false)
	default: // a state that is not ours: the document is left alone, as in CouchDB
		return nil
	}
	d.mu.Lock()
	job, known := d.jobs[owner]
	d.mu.Unlock()
	if err == nil {
		err = said.spec.Filter.check()
	}
	if err != nil {
		d.forget(owner)
		if err := d.drop(ctx, owner, false); err != nil {
			return err
		}
		return d.fail(ctx, owner, said.key, err)
	}
	if known && job.key == said.key || d.isAwaiting(owner, said.key) {
		return nil
	}
	if err := d.drop(ctx, owner, true); err != nil {
		return err
	}
	req := Request{Spec: said.spec, Owner: owner, User: said.user, Paused: said.paused, sharer: said.owner, sender: func() User { return d.m.ownerOf(said) }}
	job = documentJob{d.m.idOf(&req), said.key}
	now := d.m.opt.Now()
	req.NotBefore = d.m.turnOf(job.id, now)
	if jitter := d.m.settings().StartupJitter; starting && jitter > 0 {
		req.NotBefore = later(req.NotBefore, now).Add(rand.N(jitter))
	}
	req.Notify = func(ctx context.Context, s Status) { d.notify(ctx, owner, job.key, s) }
	d.mu.Lock()
	d.jobs[owner] = job
	d.mu.Unlock()
	if err = d.m.addSoon(ctx, req); err == nil {
		d.forget(owner)
		return nil
	}
	d.mu.Lock()
	delete(d.jobs, owner)
	d.mu.Unlock()
	if errors.Is(err, ErrClosed) || d.awaits(owner, said.key, err) {
		return nil
	}
	d.forget(owner)
	return d.fail(ctx, owner, said.key, err)
}

// forget ends the waiting of a document.
func (d *documents) forget(owner Owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, owner)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ownerOf returns the owner of a replication's document. They are an administrator only for
// as long as the server says so, whatever user_ctx says.
func (m *Manager) ownerOf(said documentSpec) User {
	return User{Name: said.owner, Admin: m.opt.IsAdmin == nil || m.opt.IsAdmin(said.owner)}
}

// drop ends the job of a document, if it has one.
func (d *documents) drop(ctx context.Context, owner Owner, wait bool) error {
	d.mu.Lock()
	job, known := d.jobs[owner]
	delete(d.jobs, owner)
	d.mu.Unlock()
	if !known {
		return nil
	}
	if wait {
		if err := d.m.Remove(ctx, job.id); err != nil && !errors.Is(err, ErrNoJob) {
			return err
		}
		return nil
	}
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if t := d.m.tasks[job.id]; t != nil && t.req.Owner == owner {
		d.m.remove(t)
	}
	return nil
}

func (d *documents) dropAll(db string) {
	var gone []Owner
	d.mu.Lock()
	for owner := range d.jobs {
		if owner.DB == db {
			gone = append(gone, owner)
		}
	}
	for owner := range d.waiting {
		if owner.DB == db {
			delete(d.waiting, owner)
		}
	}
	d.mu.Unlock()
	for _, owner := range gone {
		_ = d.drop(d.m.ctx, owner, false) // it cannot fail unless it waits
	}
}

// over tells whether a document no longer has a job to run.
func (d *documents) over(ctx context.Context, owner Owner) (bool, error) {
	if d == nil {
		return false, nil
	}
	db, err := d.m.opt.Store.Bare(ctx, owner.DB, store.ForReplications)
	if errors.Is(err, store.ErrNoDB) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer db.Release()
	doc, err := db.Get(ctx, owner.Doc, store.ReadOptions{})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	said, _ := parseDocument(doc.Body)
	return said.over(), nil
}

// jobOf returns the id of a document's job.
func (d *documents) jobOf(owner Owner) (id string, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	job, known := d.jobs[owner]
	return job.id, known
}
