package smoosh

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// backlog is work of which one piece is done at a time.
type backlog struct {
	list []object
	has  map[object]bool
	busy bool
}

func (b *backlog) add(o object) {
	if b.has[o] {
		return
	}
	if b.has == nil {
		b.has = map[object]bool{}
	}
	b.has[o] = true
	b.list = append(b.list, o)
}

func (b *backlog) take() (o object, ok bool) {
	if b.busy || len(b.list) == 0 {
		return o, false
	}
	o, b.list = b.list[0], b.list[1:]
	delete(b.has, o)
	b.busy = true
	return o, true
}

// begin starts what may be started now.
func (s *Smoosh) begin(ctx context.Context) {
	set := s.settings.Load()
	now := time.Now()
	if ctx.Err() != nil || now.Sub(s.began) < set.Wait {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.chores.take(); ok {
		s.works.Go(func() { s.chore(ctx, o.db); s.done(&s.chores) })
	}
	if !set.Enabled {
		clear(s.queues)
		s.counts.list, s.counts.has = nil, nil
		return
	}
	if o, ok := s.counts.take(); ok {
		s.works.Go(func() { s.count(ctx, o); s.done(&s.counts) })
	}
	for name, at := range s.cleans {
		if len(set.Cleanups) > 0 && !now.Before(at) {
			delete(s.cleans, name)
			s.enqueue(&set.Cleanups[0], object{name, all}, 1)
		}
	}
	for o, at := range s.later {
		if !now.Before(at) {
			delete(s.later, o)
			s.touched[object{db: o.db}] = true
			s.wake()
		}
	}
	for _, channels := range [][]Channel{set.Databases, set.Views, set.Cleanups} {
		for i := range channels {
			ch := &channels[i]
			for q := s.queues[ch.Name]; q != nil && ch.open(now) && s.inUse[ch.Name] < ch.Concurrency; {
				w, ok := q.take()
				if !ok {
					break
				}
				s.start(ctx, ch, w.object)
			}
		}
	}
}

// done ends a piece of a backlog.
func (s *Smoosh) done(b *backlog) {
	s.mu.Lock()
	b.busy = false
	s.mu.Unlock()
	s.wake()
}

// job is a compaction or a clean-up that is running.
type job struct {
	s        *Smoosh
	object   object
	channel  Channel
	label    string // of an index
	started  time.Time
	total    atomic.Int64 // bytes, about
	copied   atomic.Int64
	progress atomic.Int64 // the time of it, in seconds
	need     atomic.Int64 // bytes that the copy takes
}

// start runs a job. The caller holds mu.
func (s *Smoosh) start(ctx context.Context, ch *Channel, o object) {
	j := &job{s: s, object: o, channel: *ch, started: time.Now()}
	j.progress.Store(j.started.Unix())
	s.running[o] = j
	s.inUse[ch.Name]++
	s.works.Go(func() {
		err := j.run(ctx)
		s.mu.Lock()
		delete(s.running, o)
		s.inUse[ch.Name]--
		switch {
		case err == nil, ctx.Err() != nil, gone(err), errors.Is(err, errOff), errors.Is(err, errLess):
		case errors.Is(err, errWindow):
			s.enqueue(ch, o, 1)
		case errors.Is(err, errRoom):
			s.figures.Postponed++
			s.later[o] = time.Now().Add(s.opt.RetryAfter)
		default:
			s.figures.Failed++
			s.later[o] = time.Now().Add(s.opt.RetryAfter)
		}
		s.touched[object{db: o.db}] = true // what has come meanwhile
		s.mu.Unlock()
		switch {
		case err == nil, ctx.Err() != nil, gone(err), errors.Is(err, errOff), errors.Is(err, errLess), errors.Is(err, errWindow), errors.Is(err, store.ErrCompactRunning):
		case errors.Is(err, errRoom):
			s.opt.Log.Warn("not compacting: the disk has no room for the copy", "db", o.db, "index", o.index, "needs", j.need.Load())
		default:
			s.opt.Log.Error("compaction failed", "db", o.db, "index", o.index, "error", err)
		}
		s.wake()
	})
}

// Why a job ended early.
var (
	errOff    = errors.New("automatic compaction was turned off")
	errWindow = errors.New("the time of the channel is over")
	errRoom   = errors.New("the disk has no room for a copy")
	errLess   = errors.New("there is less garbage than before")
)

func (j *job) run(ctx context.Context) error {
	s := j.s
	db, err := s.open(ctx, j.object.db)
	if err != nil {
		return err
	}
	defer db.Release()
	if j.object.index == all {
		return s.clean(ctx, db)
	}
	before, err := s.usage(ctx, db, j.object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	k := s.ofInstance(db)
	c := k.file(j.object)
	s.mu.Unlock()
	most := c.most(before)
	live := most
	if c != nil {
		live = c.expected(before, most)
	}
	if j.channel.priority(before.File, live) == 0 {
		return errLess // somebody else has compacted it
	}
	j.total.Store(most)
	j.need.Store(most + most/16)
	if err := j.room(); err != nil {
		return err
	}
	ctx = engine.WithThrottle(ctx, j)
	if j.object.index == "" {
		err = db.Compact(ctx)
	} else {
		s.mu.Lock()
		j.label = s.opt.Indexes.Label(db.Unguarded(), j.object.index)
		s.mu.Unlock()
		err = s.opt.Indexes.Compact(ctx, db.Unguarded(), j.object.index)
	}
	if err != nil {
		return err
	}
	after, err := s.usage(ctx, db, j.object)
	if err != nil {
		return err
	}
	seq, err := db.UpdateSeq(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	k = s.ofInstance(db)
	// What went while the file was written is still in it: it is as full as for what there was before.
	active := max(before.Active, after.Active)
	k.set(j.object, &counted{Live: after.File, Size: after.File, Active: active, Spare: after.Free, since: after.Superseded, when: time.Now()})
	if j.object.index == "" {
		k.Seq = seq
	}
	s.figures.Compactions++
	s.figures.Freed += max(before.File-after.File, 0)
	s.mu.Unlock()
	s.opt.Log.Info("compacted", "db", j.object.db, "index", j.object.index, "channel", j.channel.Name, "before", before.File, "after", after.File, "took", time.Since(j.started).Round(time.Millisecond))
	return nil
}

// reserve is how much of the disk a copy leaves free.
const reserve = 16 << 20

// room tells whether the disk has room for the copy, and for those that are being made.
func (j *job) room() error {
	s := j.s
	if s.opt.Free == nil {
		return nil
	}
	free, err := s.opt.Free()
	if err != nil {
		return err
	}
	need := int64(reserve)
	s.mu.Lock()
	for _, other := range s.running {
		need += max(other.need.Load()-other.copied.Load(), 0)
	}
	s.mu.Unlock()
	if free < need {
		return errRoom
	}
	return nil
}

// Wait is part of engine.Throttle.
func (j *job) Wait(ctx context.Context, bytes int) error {
	j.copied.Add(int64(bytes))
	j.progress.Store(time.Now().Unix())
	return j.s.pace(ctx, bytes, func(set *Settings) error {
		ch := set.channel(j.channel.Name)
		switch {
		case ch == nil:
			return errOff
		case ch.Strict && !ch.open(time.Now()):
			return errWindow
		}
		return nil
	})
}

// counting paces a count.
type counting struct{ s *Smoosh }

func (c counting) Wait(ctx context.Context, bytes int) error {
	return c.s.pace(ctx, bytes, func(*Settings) error { return nil })
}

// busyShare is the part of the rate that is left while somebody reads or writes.
const busyShare = 8

// usersPause is the longest gap in the work of somebody who reads or writes all the time.
const usersPause = 50 * time.Millisecond

// pace waits until so many bytes may have been copied. check says why the work is to end, if it is.
func (s *Smoosh) pace(ctx context.Context, bytes int, check func(*Settings) error) error {
	for left := bytes; ; {
		set := s.settings.Load()
		if !set.Enabled {
			return errOff
		}
		if err := errors.Join(ctx.Err(), check(set)); err != nil || left <= 0 || set.Rate <= 0 {
			return err
		}
		n := min(left, max(s.limit.Burst(), 1))
		slow := time.Now().Add(time.Duration(float64(n) / float64(set.Rate) * busyShare * float64(time.Second)))
		if err := s.limit.WaitN(ctx, n); err != nil && n > s.limit.Burst() {
			continue // the rate has been lowered in between
		} else if err != nil {
			return err
		}
		left -= n
		for (s.opt.Store.Writing(usersPause) || s.opt.Store.Visited(usersPause)) && time.Now().Before(slow) {
			if !sleep(ctx, 5*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
}

// count finds out what is in a file, and judges it by that.
func (s *Smoosh) count(ctx context.Context, o object) {
	db, err := s.open(ctx, o.db)
	if err != nil {
		return
	}
	defer db.Release()
	c := &counted{when: time.Now()}
	u, err := s.usage(ctx, db, o)
	c.Size, c.Active, c.since = u.File, u.Active, u.Superseded
	slowly := engine.WithThrottle(ctx, counting{s})
	switch {
	case err != nil:
	case o.index == "":
		c.Live, c.Superseded, err = db.Measure(slowly)
	default:
		c.Live, err = s.opt.Indexes.Measure(slowly, db.Unguarded(), o.index)
	}
	set := s.settings.Load()
	channels := set.Databases
	if o.index != "" {
		channels = set.Views
	}
	seq := uint64(0)
	if err == nil {
		seq, err = seqFor(ctx, db, channels)
	}
	if err != nil {
		if ctx.Err() == nil && !gone(err) && !errors.Is(err, errOff) {
			s.opt.Log.Error("cannot count what is in a file", "db", o.db, "index", o.index, "error", err)
			s.mu.Lock()
			s.later[o] = time.Now().Add(s.opt.RetryAfter)
			s.mu.Unlock()
		}
		return
	}
	s.mu.Lock()
	s.figures.Counted++
	k := s.ofInstance(db)
	c.Spare = k.file(o).spare()
	k.set(o, c)
	if ch, priority := find(channels, c.Size, c.Live); ch != nil && ch.enough(seq, k.Seq) {
		s.enqueue(ch, o, priority)
	}
	s.mu.Unlock()
}

// clean removes indexes that nobody asks for.
func (s *Smoosh) clean(ctx context.Context, db store.Bare) error {
	left, err := s.opt.Clean(ctx, db)
	if err != nil {
		return err
	}
	signatures, err := s.opt.Indexes.Signatures(ctx, db.Unguarded())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures.Cleaned++
	k := s.ofInstance(db)
	stay := map[string]*counted{}
	for _, signature := range signatures {
		if c := k.Indexes[signature]; c != nil {
			stay[signature] = c
		}
	}
	k.Indexes = stay
	if left {
		s.cleans[db.Name()] = time.Now().Add(s.opt.CleanAfter)
	}
	return nil
}

// chore does the chores of a database that are due.
func (s *Smoosh) chore(ctx context.Context, name string) {
	stat, err := s.opt.Store.Stat(ctx, name)
	if err != nil {
		return
	}
	db, err := s.open(ctx, name)
	if err != nil {
		return
	}
	defer db.Release()
	for _, chore := range s.opt.Chores {
		now := time.Now()
		s.mu.Lock()
		done := s.ofInstance(db).Chores[chore.Name]
		s.mu.Unlock()
		if !chore.due(done, stat.Changed, now) {
			continue
		}
		if err := chore.Run(ctx, db); err != nil {
			if ctx.Err() == nil && !gone(err) {
				s.opt.Log.Error("upkeep failed", "chore", chore.Name, "db", name, "error", err)
			}
			continue
		}
		s.mu.Lock()
		k := s.ofInstance(db)
		if k.Chores == nil {
			k.Chores = map[string]int64{}
		}
		k.Chores[chore.Name] = now.Unix()
		s.figures.Chores++
		s.mu.Unlock()
	}
}

// Task is a compaction that is going on.
type Task struct {
	DB, Index, Label string // Index is a signature, "" for the database itself
	Channel          string
	Started, Updated time.Time
	Copied, Total    int64 // bytes, about
}

// Tasks lists the compactions that are going on.
func (s *Smoosh) Tasks() (tasks []Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o, j := range s.running {
		if o.index == all {
			continue
		}
		tasks = append(tasks, Task{
			DB: o.db, Index: o.index, Label: j.label, Channel: j.channel.Name,
			Started: j.started, Updated: time.Unix(j.progress.Load(), 0), Copied: j.copied.Load(), Total: j.total.Load(),
		})
	}
	return tasks
}
