package updates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tododb/tododb/store"
)

// mark is a local document beside the notes. All that happened well before its time is noted.
type mark struct {
	// Noted is when the process began to note what it noted last.
	Noted time.Time `json:"noted"`
	// Ended says that it has ended since, and had noted everything.
	Ended bool `json:"ended,omitempty"`
}

const markID = "_local/mark"

// slack is more than the time that passes between a commit and its event.
const slack = 10 * time.Second

// begin finds what was not noted when the process ended.
func (l *Log) begin(ctx context.Context) error {
	db, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := l.find(ctx, db, 0); !errors.Is(err, store.ErrHeld) {
		return err
	}
	return nil // nothing more happens; what is noted can be read, and the next process finds the rest
}

// renew has the notes begin anew if they are damaged.
func (l *Log) renew(ctx context.Context, damage error) error {
	if !errors.Is(damage, store.ErrDamaged) && !errors.Is(damage, store.ErrCorrupt) {
		return damage
	}
	l.opt.Log.Error("what happened to databases is forgotten, because it is damaged", "error", damage)
	if err := l.opt.Store.Drop(ctx, store.UpdatesDB); err != nil && !errors.Is(err, store.ErrNoDB) {
		return err
	}
	return l.begin(ctx)
}

// noted is what is noted of a database.
type noted struct {
	seq uint64 // of its document
	body
}

// settleFor is how long a process has to note what it has done, before another one does. If it notes it later, nothing
// comes of it.
const settleFor = time.Second

// find compares all databases with what is noted, and notes what is missing; after a while, if others may
// be about to do so.
func (l *Log) find(ctx context.Context, db store.Bare, after time.Duration) error {
	m, first, err := readMark(ctx, db)
	if err != nil {
		return err
	}
	f := finder{log: l, db: db, mark: m, first: first}
	began := time.Now()
	if err := f.walk(ctx); err != nil {
		return err
	}
	if !l.opt.Store.Shared() {
		return l.put(ctx, db, f.found, &mark{Noted: began})
	}
	if len(f.found) > 0 && after > 0 {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := f.dropForgotten(ctx); err != nil {
			return err
		}
	}
	return l.put(ctx, db, f.found, nil)
}

// dropForgotten leaves out the databases without a note that are gone by now. Their deletion may have been noted and forgotten
// again (trim), so it would not be seen that there was a note.
func (f *finder) dropForgotten(ctx context.Context) (err error) {
	f.found = slices.DeleteFunc(f.found, func(d store.Latest) bool {
		if err != nil || d.Deleted || *d.If != 0 {
			return false
		}
		var there bool
		there, err = f.log.opt.Store.Exists(ctx, d.ID)
		return err == nil && !there
	})
	return err
}

func readMark(ctx context.Context, db store.Bare) (m mark, first bool, err error) {
	doc, err := db.GetLocal(ctx, markID)
	if errors.Is(err, store.ErrMissing) {
		seq, err := db.UpdateSeq(ctx)
		return m, seq == 0, err
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &m)
	}
	return m, false, err
}

// finder finds what is not noted.
type finder struct {
	log   *Log
	db    store.Bare
	mark  mark
	first bool // nothing was ever noted
	found []store.Latest

	page map[string]noted // of the names that are looked at
}

const namesAtOnce = 1000

// walk goes through the names of databases, and those that have notes, side by side.
func (f *finder) walk(ctx context.Context) error {
	for after, more := "", true; more; {
		type one struct {
			name string
			at   store.At
		}
		var there []one
		last, known, err := f.log.opt.Store.Reached(ctx, after, namesAtOnce, func(name string, at store.At) error {
			there = append(there, one{name, at})
			return nil
		})
		if err == nil && !known {
			var names []string
			names, err = f.log.opt.Store.Names(ctx, after, namesAtOnce)
			for _, name := range names {
				there = append(there, one{name: name})
			}
			last = ""
			if len(names) == namesAtOnce {
				last = names[len(names)-1]
			}
		}
		if err != nil {
			return err
		}
		more = last != ""
		if err := f.read(ctx, after, last); err != nil {
			return err
		}
		for _, o := range there {
			if err := f.look(ctx, o.name, o.at, known); err != nil {
				return err
			}
			delete(f.page, o.name)
		}
		for name, n := range f.page {
			if err := f.gone(ctx, name, n); err != nil {
				return err
			}
		}
		after = last
	}
	return nil
}

// read reads what is noted of the names after one, up to another, "" being the end.
func (f *finder) read(ctx context.Context, after, last string) error {
	f.page = map[string]noted{}
	all := store.AllDocsQuery{Limit: -1, IncludeDocs: true, Start: after, HasStart: after != "", End: last, HasEnd: last != ""}
	return f.db.AllDocs(ctx, all, func(store.Page) error { return nil }, func(r *store.Row) error {
		name := string(r.ID)
		if name == after {
			return nil
		}
		n := noted{seq: r.Doc.Seq}
		if err := json.Unmarshal(r.Doc.Body, &n.body); err != nil {
			return fmt.Errorf("%w: what is noted of %q: %w", store.ErrCorrupt, name, err)
		}
		f.page[name] = n
		return nil
	}, func() error { return nil })
}

// look looks at a database that is there.
func (f *finder) look(ctx context.Context, name string, at store.At, known bool) error {
	n, is := f.page[name]
	if !known && f.first {
		return f.miss(name, "updated", store.At{}, 0)
	}
	if !known && is {
		if same, err := f.untouched(ctx, name); same || err != nil {
			return err
		}
	}
	if !known {
		var err error
		at, err = f.open(ctx, name)
		if errors.Is(err, store.ErrNoDB) {
			return nil
		}
		if err != nil {
			f.log.opt.Log.Warn("it is not known whether something has happened to a database", "db", name, "error", err)
			return ctx.Err()
		}
	}
	kind := "updated"
	switch {
	case !is && f.first && (!known || at.Seq > 0): // there before anything was noted
	case !is:
		kind = "created"
	case n.Of == at.Of && n.Seq >= at.Seq: // more, if it was noted after the database was read
		return nil
	case n.Of == "" && n.Seq == at.Seq:
		return nil
	case n.Of != at.Of && known:
		kind = "created"
	}
	if !is { // it may have been deleted before
		doc, err := f.db.Get(ctx, name, store.ReadOptions{NoBody: true, Deleted: true})
		if err == nil {
			n.seq = doc.Seq
		} else if !errors.Is(err, store.ErrMissing) {
			return err
		}
	}
	return f.miss(name, kind, at, n.seq)
}

// untouched tells whether a database's file is older than what was noted last, which a clock does not tell that was
// ahead then.
func (f *finder) untouched(ctx context.Context, name string) (bool, error) {
	if f.mark.Noted.After(time.Now()) {
		return false, nil
	}
	st, err := f.log.opt.Store.Stat(ctx, name)
	if errors.Is(err, store.ErrNoDB) {
		return false, nil // open finds out
	}
	if err != nil || st.Changed.IsZero() {
		return false, err
	}
	limit := f.mark.Noted
	if !f.mark.Ended {
		limit = limit.Add(-slack)
	}
	return st.Changed.Before(limit), nil
}

func (f *finder) open(ctx context.Context, name string) (store.At, error) {
	db, err := f.log.opt.Store.Bare(ctx, name, store.ForUpdates)
	if err != nil {
		return store.At{}, err
	}
	defer db.Release()
	return db.Reached(ctx)
}

// gone looks at a name that is noted, and was not among those that are there.
func (f *finder) gone(ctx context.Context, name string, n noted) error {
	there, err := f.log.opt.Store.Exists(ctx, name)
	if err != nil || there {
		return err
	}
	return f.miss(name, "deleted", store.At{Of: n.Of}, n.seq)
}

// miss adds what is missing, to be noted unless somebody else has noted something of the database.
func (f *finder) miss(name, kind string, at store.At, was uint64) error {
	doc, err := f.log.document(&store.Event{DB: name, Type: kind, At: at}, "")
	doc.If, doc.Keep = &was, nil // it is how it is
	f.found = append(f.found, doc)
	return err
}

// scanShare is how much of a process's time goes into comparing: one part in so many, unless that makes it rarer than
// Options.Scan.
const scanShare = 50

// scanPause is how long to wait after a comparison.
func (l *Log) scanPause(took time.Duration) time.Duration {
	return max(min(l.opt.Scan, max(l.opt.Scan/8, scanShare*took)), 4*took)
}

// scans compares all databases from time to time: another process may have been killed. One process does so, and
// besides each that somebody waits at, because it may have been that one.
func (l *Log) scans(ctx context.Context) {
	for took := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-l.compare:
		case <-time.After(l.scanPause(took)):
			if !l.leads.Load() && l.readers.Load() == 0 {
				continue
			}
		}
		began := time.Now()
		db, err := l.open(ctx)
		if err == nil {
			err = l.find(ctx, db, settleFor)
			db.Release()
		}
		took = max(0, time.Since(began)-settleFor)
		if err != nil && ctx.Err() == nil {
			l.opt.Log.Warn("databases cannot be compared with what is noted of them", "error", err)
		}
	}
}
