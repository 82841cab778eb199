package updates

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// Options are what a Log needs. Store must be set.
type Options struct {
	Store   *store.Store
	Log     *slog.Logger     // nil: nothing is logged
	Members *members.Members // the processes that share the databases; nil: this one is alone
	// Soon is the time between two writes while somebody waits for events (100 ms), Late while nobody does
	// (1 s).
	Soon, Late time.Duration
	// Scan is how often databases are compared with what was noted, where processes share them (15 s). If that
	// takes little it happens up to eight times as often.
	Scan time.Duration
	// Deleted is how many deleted databases are remembered, those deleted last (10,000).
	Deleted int
}

// Log notes what happens to the databases of a store. It is safe for use by several goroutines.
type Log struct {
	opt    Options
	by     string
	ctx    context.Context
	cancel context.CancelFunc
	works  sync.WaitGroup

	trimmed store.Seq     // there is no tombstone up to here; only run uses it
	from    uint64        // where the others' notes begin that this process's workers are told of
	ready   chan struct{} // closed when what was not noted before is
	hurry   chan struct{} // somebody waits for what is not noted yet
	readers atomic.Int32  // who wait for events
	leads   atomic.Bool   // of the processes, this one is to compare
	came    chan struct{} // there is one more of them
	compare chan struct{} // what was to be noted is of another era: only a comparison tells what there is now

	mu      sync.Mutex    // guards what follows; no I/O under it
	noted   uint64        // events up to this one are noted
	failed  error         // of the last attempt
	attempt chan struct{} // closed after the next attempt
}

// body is the body of a database's document.
type body struct {
	Type string `json:"type"`
	Seq  uint64 `json:"seq"`
	Of   string `json:"of"`
	By   string `json:"by"` // "": it was found later, and nobody knows of it yet
}

// Open begins to note. Close ends that.
func Open(ctx context.Context, opt Options) *Log {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Soon == 0 {
		opt.Soon = 100 * time.Millisecond
	}
	if opt.Late == 0 {
		opt.Late = time.Second
	}
	if opt.Deleted == 0 {
		opt.Deleted = 10_000
	}
	if opt.Scan == 0 {
		opt.Scan = 15 * time.Second
	}
	id := make([]byte, 8)
	rand.Read(id)
	l := &Log{opt: opt, by: hex.EncodeToString(id), ready: make(chan struct{}), hurry: make(chan struct{}, 1), came: make(chan struct{}, 1), compare: make(chan struct{}, 1), attempt: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx)) // until Close
	if opt.Store.Shared() {
		// The process's workers look at everything after this. If it cannot be read, they are told of
		// everything once more.
		l.from, _ = l.place(ctx)
	}
	l.works.Go(l.run)
	return l
}

// Close notes what has happened, and ends. The error says what it could not note; the next process finds
// it.
func (l *Log) Close() error {
	l.cancel()
	l.works.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.failed, context.Canceled) || errors.Is(l.failed, store.ErrHeld) { // it is noted at the new home
		return nil
	}
	return l.failed
}

const (
	// Pauses after an attempt that failed, unless somebody waits for one.
	firstPause = 100 * time.Millisecond
	mostPause  = time.Second
	// mostRest is the longest pause after one that went well: a single one may take long, such as one that waits for a
	// storage to come back.
	mostRest = 2 * time.Second
	// complainEvery is how often it is said in the log.
	complainEvery = 10 * time.Second
	// endWithin is how long Close tries to note what has happened.
	endWithin = 5 * time.Second
)

func (l *Log) run() {
	l.persist(l.ctx, l.begin)
	if l.ctx.Err() != nil {
		return
	}
	close(l.ready)
	if l.opt.Store.Shared() {
		l.works.Go(l.follow)
		l.works.Go(func() { l.scans(l.ctx) })
		l.works.Go(func() {
			l.opt.Members.While(l.ctx, "updates", func(ctx context.Context) {
				l.leads.Store(true)
				<-ctx.Done()
				l.leads.Store(false)
			})
		})
	}
	for {
		_, _, news := l.opt.Store.Events().Since(l.opt.Store.Events().Last())
		began := time.Now()
		took := l.persist(l.ctx, l.note)
		select {
		case <-l.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), endWithin)
			defer cancel()
			err := l.note(ctx)
			if err == nil && !l.opt.Store.Shared() {
				err = l.markEnd(ctx)
			}
			l.end(err)
			return
		case <-news:
		}
		// Of the disk's time a tenth goes into this, however many databases are written, unless events came late.
		l.rest(began, min(10*took, mostRest))
	}
}

// persist calls work until it succeeds, and tells how long that took in the end.
func (l *Log) persist(ctx context.Context, work func(context.Context) error) time.Duration {
	said := time.Time{}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		began := time.Now()
		err := l.renew(ctx, work(ctx))
		l.end(err)
		if err == nil || ctx.Err() != nil {
			return time.Since(began)
		}
		if !errors.Is(err, store.ErrHeld) && time.Since(said) > complainEvery { // ErrHeld is somebody's will
			l.opt.Log.Error("what happens to databases cannot be noted", "error", err)
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(pause):
		case <-l.hurry: // but many who hurry do not make it many attempts
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(began.Add(firstPause))):
			}
		}
	}
}

// end tells of an attempt.
func (l *Log) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
	close(l.attempt)
	l.attempt = make(chan struct{})
}

// rest waits until the next write is due, or somebody wants it at once.
func (l *Log) rest(since time.Time, least time.Duration) {
	for {
		pause := l.opt.Late
		if l.readers.Load() > 0 || l.opt.Store.Shared() {
			pause = l.opt.Soon
		}
		left := time.Until(since.Add(max(pause, least)))
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-l.ctx.Done():
		case <-timer.C:
		case <-l.hurry:
		case <-l.came:
			timer.Stop()
			continue
		}
		timer.Stop()
		return
	}
}

// open opens the database of the notes, and makes it if it is not there.
func (l *Log) open(ctx context.Context) (store.Bare, error) {
	for {
		db, err := l.opt.Store.Bare(ctx, store.UpdatesDB, store.ForUpdates)
		if !errors.Is(err, store.ErrNoDB) {
			return db, err
		}
		if err := l.opt.Store.Create(ctx, store.UpdatesDB); err != nil && !errors.Is(err, store.ErrDBExists) {
			return store.Bare{}, err
		}
	}
}

func (l *Log) place(ctx context.Context) (uint64, error) {
	db, err := l.open(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Release()
	return db.UpdateSeq(ctx)
}

// atOnce is how many events one transaction notes.
const atOnce = 1000

// note writes what has happened since it last did.
func (l *Log) note(ctx context.Context) error {
	began := time.Now()
	l.mu.Lock()
	since := l.noted
	l.mu.Unlock()
	events, last, _ := l.opt.Store.Events().Since(since)
	var docs []store.Latest
	for i := range events {
		if events[i].Own <= since {
			continue
		}
		doc, err := l.document(&events[i], l.by)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(docs) > 0 {
		db, err := l.open(ctx)
		if err != nil {
			return err
		}
		defer db.Release()
		var m *mark
		if !l.opt.Store.Shared() {
			m = &mark{Noted: began}
		}
		if err := l.put(ctx, db, docs, m); err != nil {
			return err
		}
		if slices.ContainsFunc(docs, func(d store.Latest) bool { return d.Deleted }) {
			if err := l.trim(ctx, db); err != nil {
				return err
			}
		}
	}
	l.mu.Lock()
	l.noted = last
	l.mu.Unlock()
	return nil
}

// markEnd says that everything is noted, for the next process.
func (l *Log) markEnd(ctx context.Context) error {
	db, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer db.Release()
	return l.put(ctx, db, nil, &mark{Noted: time.Now(), Ended: true})
}

func (l *Log) document(ev *store.Event, by string) (store.Latest, error) {
	doc := store.Latest{ID: ev.DB, Deleted: ev.Type == "deleted", Era: ev.At.Era}
	var err error
	doc.Body, err = json.Marshal(body{Type: ev.Type, Seq: ev.At.Seq, Of: ev.At.Of, By: by})
	if l.opt.Store.Shared() {
		// Another process may know of a later event of the same database, or have told of this one.
		doc.Keep = func(was []byte) bool {
			var b body
			if json.Unmarshal(was, &b) != nil {
				return false
			}
			other := b.event(ev.At.Era) // what is noted was noted in its era, and is still true in a later one
			return ev.Before(other) || ev.At.Of != "" && ev.Type == other.Type && ev.At == other.At
		}
	}
	return doc, err
}

func (b *body) event(era uint64) store.Event {
	return store.Event{Type: b.Type, At: store.At{Seq: b.Seq, Of: b.Of, Era: era}}
}

// put writes documents, and with the last of them a mark.
func (l *Log) put(ctx context.Context, db store.Bare, docs []store.Latest, m *mark) error {
	for more := len(docs) > 0 || m != nil; more; more = len(docs) > 0 {
		n := min(atOnce, len(docs))
		var local map[string][]byte
		if n == len(docs) && m != nil {
			raw, err := json.Marshal(m)
			if err != nil {
				return err
			}
			local = map[string][]byte{markID: raw}
		}
		if err := db.PutLatest(ctx, docs[:n], local); err != nil {
			return err
		}
		if era := l.opt.Store.Era(); slices.ContainsFunc(docs[:n], func(d store.Latest) bool { return d.Era != 0 && d.Era != era }) {
			press(l.compare)
		}
		docs = docs[n:]
	}
	return nil
}

// settle waits until everything that has happened before the call in this process is noted.
func (l *Log) settle(ctx context.Context) error {
	target := l.opt.Store.Events().Last()
	for first := true; ; first = false {
		l.mu.Lock()
		noted, failed, attempt := l.noted, l.failed, l.attempt
		l.mu.Unlock()
		if noted >= target {
			return nil
		}
		if failed != nil && !first {
			return failed
		}
		press(l.hurry)
		select {
		case <-attempt:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return store.ErrClosed
		}
	}
}

// press fills a channel, unless it is full.
func press(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
