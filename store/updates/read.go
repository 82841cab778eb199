package updates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tododb/tododb/store"
)

// Event is the last thing that happened to a database.
type Event struct {
	DB   string
	Type string // "created", "updated" or "deleted"
	Seq  store.Seq
}

// Reader reads events. The caller closes it.
type Reader struct {
	log   *Log
	db    store.Bare
	waits bool
}

// Read begins to read. It first waits until what had happened when this process began is noted.
func (l *Log) Read(ctx context.Context) (*Reader, error) { return l.read(ctx, false) }

// Follow is Read for a reader that waits for events, so that they come soon.
func (l *Log) Follow(ctx context.Context) (*Reader, error) { return l.read(ctx, true) }

func (l *Log) read(ctx context.Context, waits bool) (*Reader, error) {
	if err := l.begun(ctx); err != nil {
		return nil, err
	}
	db, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	if waits {
		l.readers.Add(1)
		press(l.came)
	}
	return &Reader{log: l, db: db, waits: waits}, nil
}

func (l *Log) begun(ctx context.Context) error {
	for {
		l.mu.Lock()
		failed, attempt := l.failed, l.attempt
		l.mu.Unlock()
		select {
		case <-l.ready:
			return nil
		default:
		}
		if failed != nil {
			return failed
		}
		select {
		case <-l.ready:
		case <-attempt:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return store.ErrClosed
		}
	}
}

// Close ends a reader.
func (r *Reader) Close() {
	if r.waits {
		r.log.readers.Add(-1)
	}
	r.db.Release()
}

// Place reads a place that a client was given, or 0, as DB.ParseSeq does.
func (r *Reader) Place(ctx context.Context, text string) (uint64, error) {
	return r.db.ParseSeq(ctx, text)
}

// Now is the place after all that this process has done so far, and of others what they have told.
func (r *Reader) Now(ctx context.Context) (uint64, error) {
	if err := r.log.settle(ctx); err != nil {
		return 0, err
	}
	return r.db.UpdateSeq(ctx)
}

// Seq is a place as clients see it.
func (r *Reader) Seq(n uint64) store.Seq { return r.db.Seq(n) }

// Changed is closed when there are events after a place; Gone when the notes begin anew.
func (r *Reader) Changed(after uint64) <-chan struct{} { return r.db.Changed(after) }

// Gone is closed when the notes begin anew.
func (r *Reader) Gone() <-chan struct{} { return r.db.Gone() }

// Since calls row for the events after a place, in order and at most limit of them (all if it is
// negative), and flush now and then. It returns the place that the reader has come to.
func (r *Reader) Since(ctx context.Context, place uint64, limit int, row func(*Event) error, flush func() error) (uint64, error) {
	if err := r.log.settle(ctx); err != nil {
		return place, err
	}
	return r.since(ctx, place, limit, func(ev *Event, _ *body) error { return row(ev) }, flush)
}

func (r *Reader) since(ctx context.Context, place uint64, limit int, row func(*Event, *body) error, flush func() error) (uint64, error) {
	end, err := r.db.Changes(ctx, store.ChangesQuery{Since: place, Limit: limit, IncludeDocs: true}, func(c *store.Change) error {
		var b body
		if err := json.Unmarshal(c.Doc.Body, &b); err != nil {
			return fmt.Errorf("%w: what is noted of %q: %w", store.ErrCorrupt, c.ID, err)
		}
		return row(&Event{DB: string(c.ID), Type: b.Type, Seq: r.db.Seq(c.Seq)}, &b)
	}, flush)
	return end.Last, err
}

// follow tells this process's workers what the others have noted.
func (l *Log) follow() {
	for place := l.from; l.ctx.Err() == nil; place = 0 {
		if err := l.followNotes(l.ctx, place); err != nil && l.ctx.Err() == nil {
			l.opt.Log.Warn("what other processes do to databases is not known", "error", err)
			select {
			case <-time.After(time.Second):
			case <-l.ctx.Done():
			}
		}
	}
}

// followNotes follows from a place until the notes begin anew.
func (l *Log) followNotes(ctx context.Context, place uint64) error {
	r, err := l.Read(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	for err == nil {
		news := r.Changed(place)
		place, err = r.since(ctx, place, -1, func(ev *Event, b *body) error {
			if b.By != l.by {
				l.opt.Store.Events().Tell(ev.DB, ev.Type, b.event(l.opt.Store.Era()).At)
			}
			return nil
		}, func() error { return nil })
		if err != nil {
			break
		}
		select {
		case <-news:
		case <-r.Gone():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(err, store.ErrNoDB) {
		err = nil
	}
	return err
}
