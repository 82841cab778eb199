package smoosh

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// all stands for all indexes of a database.
const all = "*"

// gap is how long nobody reads or writes before what has changed is looked at.
const gap = time.Second

// hear notes what has changed.
func (s *Smoosh) hear(events []store.Event) {
	for _, e := range events {
		if e.Type == "deleted" {
			s.forget(e.DB)
			continue
		}
		s.mu.Lock()
		s.heard[e.DB] = true
		s.mu.Unlock()
	}
}

// lookLater tells whether what has changed is looked at later, because somebody reads or writes. A look has the
// engine bring to the file what it still has elsewhere, and what is copied of a file that is being filled is soon
// copied again.
func (s *Smoosh) lookLater() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heard)+len(s.touched) == 0 {
		s.unseen = time.Time{}
		return false
	}
	if s.unseen.IsZero() {
		s.unseen = time.Now()
	}
	if st := s.opt.Store; time.Since(s.unseen) < s.settings.Load().Wait && (st.Writing(gap) || st.Visited(gap)) {
		return true
	}
	s.unseen = time.Time{}
	return false
}

// lookAtChanges looks at what has changed.
func (s *Smoosh) lookAtChanges(ctx context.Context) {
	s.mu.Lock()
	heard, touched := s.heard, s.touched
	s.heard, s.touched = map[string]bool{}, map[object]bool{}
	s.mu.Unlock()
	for name := range heard {
		s.look(ctx, name, false)
	}
	for o := range touched {
		switch o.index {
		case "":
			s.look(ctx, o.db, true)
		default:
			s.lookAtIndexes(ctx, o)
		}
	}
}

// look judges a database that has changed. A database that is closed is opened if its file has grown
// since it was last counted, or if thorough is set.
func (s *Smoosh) look(ctx context.Context, name string, thorough bool) {
	set := s.settings.Load()
	if !set.Enabled || set.Ignore(name) || ctx.Err() != nil {
		return
	}
	stat, err := s.opt.Store.Stat(ctx, name)
	if err != nil {
		return // it has just been deleted, or nobody else can use it either
	}
	if stat.Size <= minSize(set.Databases) && stat.Subs == 0 {
		return
	}
	if !thorough && !s.opt.Store.IsOpen(name) {
		s.mu.Lock()
		c := s.of(name).File
		s.mu.Unlock()
		if c != nil && stat.Size <= c.Size {
			return
		}
	}
	db, err := s.open(ctx, name)
	if err != nil {
		return
	}
	defer db.Release()
	s.judge(ctx, db, object{db: name}, set.Databases)
	if stat.Subs > 0 {
		s.design(ctx, db)
	}
	if thorough {
		s.lookAtIndexes(ctx, object{name, all})
	}
}

// lookAtIndexes judges one index of a database, or all.
func (s *Smoosh) lookAtIndexes(ctx context.Context, o object) {
	set := s.settings.Load()
	if !set.Enabled || set.Ignore(o.db) || ctx.Err() != nil {
		return
	}
	db, err := s.open(ctx, o.db)
	if err != nil {
		return
	}
	defer db.Release()
	signatures := []string{o.index}
	if o.index == all {
		if signatures, err = s.opt.Indexes.Signatures(ctx, db.Unguarded()); err != nil {
			return
		}
	}
	for _, signature := range signatures {
		s.judge(ctx, db, object{o.db, signature}, set.Views)
	}
}

// usage is what an object takes on disk.
func (s *Smoosh) usage(ctx context.Context, db store.Bare, o object) (store.Usage, error) {
	if o.index == "" {
		return db.Usage(ctx)
	}
	return s.opt.Indexes.Usage(ctx, db.Unguarded(), o.index)
}

// judge puts an object into the channel that takes it, or has it counted if only that can tell.
func (s *Smoosh) judge(ctx context.Context, db store.Bare, o object, channels []Channel) {
	u, err := s.usage(ctx, db, o)
	if err != nil || u.File <= minSize(channels) {
		return
	}
	set := s.settings.Load()
	seq, err := seqFor(ctx, db, channels)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[o] != nil || time.Now().Before(s.later[o]) {
		return // it is judged afterwards
	}
	k := s.ofInstance(db)
	c := k.file(o)
	most := c.most(u)
	if ch, priority := find(channels, u.File, most); ch != nil {
		if ch.enough(seq, k.Seq) {
			s.enqueue(ch, o, priority)
		}
		return
	}
	if c != nil {
		ch, _ := find(channels, u.File, c.expected(u, most))
		if ch == nil || !c.outdated(u, set.Staleness) {
			return
		}
	}
	s.counts.add(o)
}

// seqFor is the update sequence of a database, if one of the channels asks how much has changed.
func seqFor(ctx context.Context, db store.Bare, channels []Channel) (uint64, error) {
	if slices.ContainsFunc(channels, func(c Channel) bool { return c.MinChanges > 0 }) {
		return db.UpdateSeq(ctx)
	}
	return 0, nil
}

// enqueue puts an object into a channel and takes it out of the others. The caller holds mu.
func (s *Smoosh) enqueue(ch *Channel, o object, priority float64) {
	for name, q := range s.queues {
		if name != ch.Name {
			q.remove(o)
		}
	}
	q := s.queues[ch.Name]
	if q == nil {
		q = &queue{}
		s.queues[ch.Name] = q
	}
	q.put(o, priority, ch.Capacity)
}

// design plans a clean-up of indexes if the design documents have changed.
func (s *Smoosh) design(ctx context.Context, db store.Bare) {
	if s.opt.Clean == nil {
		return
	}
	design, err := db.DesignSeq(ctx)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.ofInstance(db); k.Design != design+1 {
		k.Design = design + 1 // 0: not known
		s.cleans[db.Name()] = time.Now().Add(s.opt.CleanAfter)
	}
}

// lookAround compares all files with what is remembered, after the start and from time to time.
func (s *Smoosh) lookAround(ctx context.Context) {
	if !sleep(ctx, s.settings.Load().Wait) {
		return
	}
	every := time.NewTicker(s.opt.LookEvery)
	defer every.Stop()
	for {
		if err := s.lookAtAll(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Error("cannot look for files to compact", "error", err)
		}
		select {
		case <-every.C:
		case <-s.again:
		case <-ctx.Done():
			return
		}
	}
}

const (
	namesAtOnce = 500
	openPause   = 10 * time.Millisecond // after a database that has to be opened
)

func (s *Smoosh) lookAtAll(ctx context.Context) error {
	began := time.Now()
	there := map[string]bool{}
	for after := ""; ; {
		names, err := s.opt.Store.Names(ctx, after, namesAtOnce)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			break
		}
		after = names[len(names)-1]
		for _, name := range names {
			there[name] = true
			opens, err := s.remind(ctx, name)
			if err != nil && !errors.Is(err, store.ErrNoDB) {
				return err
			}
			if opens && !sleep(ctx, openPause) {
				return ctx.Err()
			}
		}
	}
	s.mu.Lock()
	var gone []string
	for name := range s.known {
		if !there[name] {
			gone = append(gone, name)
		}
	}
	s.mu.Unlock()
	for _, name := range gone {
		if _, err := s.opt.Store.Stat(ctx, name); errors.Is(err, store.ErrNoDB) { // not just made
			s.forget(name)
		}
	}
	s.opt.Log.Debug("looked for files to compact", "databases", len(there), "took", time.Since(began))
	return ctx.Err()
}

// remind has a database looked at if something may be to do there: then it will be opened.
func (s *Smoosh) remind(ctx context.Context, name string) (opens bool, err error) {
	stat, err := s.opt.Store.Stat(ctx, name)
	if err != nil {
		return false, err
	}
	set := s.settings.Load()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.of(name)
	for _, chore := range s.opt.Chores {
		if chore.due(k.Chores[chore.Name], stat.Changed, now) {
			s.chores.add(object{db: name})
			opens = true
			break
		}
	}
	if set.Enabled && !set.Ignore(name) {
		large := stat.Size > minSize(set.Databases) || stat.Subs > 0
		if large && (stat.Changed.Unix() >= k.Looked || now.Unix() < k.Looked) || stat.Subs != k.Subs {
			k.Looked, k.Subs = now.Unix(), stat.Subs
			s.touched[object{db: name}] = true
			opens = true
		}
	}
	if opens {
		s.wake()
	}
	return opens, nil
}

// due tells whether a chore that was done at a time is to be done again. If the time has not come yet, the clock was
// wrong, and nobody knows what has changed since.
func (c *Chore) due(done int64, changed, now time.Time) bool {
	last := time.Unix(done, 0)
	if last.After(now) {
		return true
	}
	if changed.IsZero() { // the engine does not tell
		return now.Sub(last) >= c.Every
	}
	after := changed.Add(c.After)
	return !changed.Before(last) && now.Sub(last) >= c.Every || c.After > 0 && last.Before(after) && !now.Before(after)
}

// open opens a database: whatever is done here is done to its files.
func (s *Smoosh) open(ctx context.Context, name string) (store.Bare, error) {
	return s.opt.Store.Bare(ctx, name, store.ForUpkeep)
}

// gone tells whether an error means that there is nothing to do any more.
func gone(err error) bool {
	return errors.Is(err, store.ErrNoDB) || errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrClosed) || errors.Is(err, index.ErrClosed)
}
