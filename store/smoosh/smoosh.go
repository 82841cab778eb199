package smoosh

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// Options are what a Smoosh needs. Store, Indexes and Log must be set.
type Options struct {
	Store   *store.Store
	Indexes *index.Manager
	Log     *slog.Logger
	// Free is how many bytes the disk has left (nil: that is not asked).
	Free func() (int64, error)
	// State is a file in which it remembers what it has found out ("": nowhere).
	State string
	// Clean removes the indexes of a database that no design document asks for (nil: nothing is
	// removed). It returns whether some are left because they are in use.
	Clean func(ctx context.Context, db store.Bare) (left bool, err error)
	// Chores are other work in databases that change.
	Chores []Chore

	Gather     time.Duration // how long changes gather before a look (200 ms)
	LookEvery  time.Duration // between comparisons of all files with what is remembered (1 h)
	CleanAfter time.Duration // how long after a change of design documents the old indexes go (10 min)
	RetryAfter time.Duration // after a failure, or when the disk had no room (5 min)
}

// Chore is work that a database needs from time to time if it changes.
type Chore struct {
	Name  string
	Every time.Duration // between two times, while the database changes
	After time.Duration // once more, so long after its last change; 0: not needed
	Run   func(ctx context.Context, db store.Bare) error
}

func (o *Options) withDefaults() {
	for _, d := range []struct {
		of *time.Duration
		is time.Duration
	}{{&o.Gather, 200 * time.Millisecond}, {&o.LookEvery, time.Hour}, {&o.CleanAfter, 10 * time.Minute}, {&o.RetryAfter, 5 * time.Minute}} {
		if *d.of <= 0 {
			*d.of = d.is
		}
	}
}

// Smoosh does the upkeep of a store. Its methods may be called from any goroutine.
type Smoosh struct {
	opt      Options
	settings atomic.Pointer[Settings]
	limit    *rate.Limiter
	began    time.Time
	poke     chan struct{} // look again at what has changed
	again    chan struct{} // look again at all

	works sync.WaitGroup // of Run
	runs  atomic.Bool    // Run does

	mu      sync.Mutex // guards what follows; no I/O under it
	known   map[string]*known
	heard   map[string]bool // databases that have changed
	touched map[object]bool // built indexes, and databases of which all is to be looked at
	unseen  time.Time       // since when these wait for a gap in what users do
	queues  map[string]*queue
	later   map[object]time.Time // what is not to be begun before
	running map[object]*job
	inUse   map[string]int       // running compactions by channel
	counts  backlog              // files to count
	chores  backlog              // databases with chores
	cleans  map[string]time.Time // databases whose indexes are to be cleaned, and when
	figures Figures
}

// Figures count what was done since the start.
type Figures struct {
	Waiting, Running    int   // compactions and clean-ups, now
	Looking             int   // files and databases that are to be looked at, now
	Compactions, Failed int64 // that ended
	Freed               int64 // bytes that they gave back
	Postponed           int64 // times that the disk had no room for a copy
	Counted, Cleaned    int64 // files counted whole, databases cleaned of indexes
	Chores              int64 // that were done
}

// New makes a Smoosh; Run has it work.
func New(opt Options, settings Settings) *Smoosh {
	opt.withDefaults()
	s := &Smoosh{
		opt: opt, limit: rate.NewLimiter(rate.Inf, 0), poke: make(chan struct{}, 1), again: make(chan struct{}, 1),
		heard: map[string]bool{}, touched: map[object]bool{}, queues: map[string]*queue{}, later: map[object]time.Time{},
		running: map[object]*job{}, inUse: map[string]int{}, cleans: map[string]time.Time{},
	}
	s.SetSettings(settings)
	return s
}

// SetSettings changes the settings. Compactions that are running go on, unless all is turned off.
func (s *Smoosh) SetSettings(set Settings) {
	if set.Ignore == nil {
		set.Ignore = func(string) bool { return false }
	}
	if old := s.settings.Swap(&set); old != nil && set.Enabled && !old.Enabled {
		s.mu.Lock() // nothing was looked at meanwhile
		for _, k := range s.known {
			k.Looked = 0
		}
		s.mu.Unlock()
		select {
		case s.again <- struct{}{}:
		default:
		}
	}
	if set.Rate > 0 {
		s.limit.SetBurst(int(min(max(set.Rate/8, 1<<16), 1<<30)))
		s.limit.SetLimit(rate.Limit(set.Rate))
	} else {
		s.limit.SetLimit(rate.Inf)
	}
	s.wake()
}

// Built says that an index has changed (index.Options.Built).
func (s *Smoosh) Built(db, signature string) {
	s.mu.Lock()
	s.touched[object{db, signature}] = true
	s.mu.Unlock()
	s.wake()
}

// Runs tells whether it works. Of several processes that share a store, that of one does.
func (s *Smoosh) Runs() bool { return s.runs.Load() }

func (s *Smoosh) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// tick is how often times are looked at: windows, clean-ups, retries.
const tick = time.Minute

// saveEvery is how often what is known is written down.
const saveEvery = 10 * time.Minute

// Run works until ctx ends. What it has begun has then ended too.
func (s *Smoosh) Run(ctx context.Context) {
	s.runs.Store(true)
	defer s.runs.Store(false)
	found, err := load(s.opt.State)
	if err != nil {
		s.opt.Log.Warn("counting what is in the files anew", "error", err)
	}
	s.mu.Lock()
	s.known = found
	s.mu.Unlock()
	s.began = time.Now()
	defer s.remember()
	defer s.works.Wait()
	s.works.Go(func() { s.lookAround(ctx) })
	ticks := time.NewTicker(min(tick, s.opt.CleanAfter, s.opt.RetryAfter))
	defer ticks.Stop()
	wait := time.NewTimer(s.settings.Load().Wait)
	defer wait.Stop()
	saved := time.Now()
	for seen := uint64(0); ; {
		events, last, more := s.opt.Store.Events().Since(seen)
		seen = last
		s.hear(events)
		var later <-chan time.Time
		if s.lookLater() {
			later = time.After(gap / 4)
		} else {
			s.lookAtChanges(ctx)
		}
		s.begin(ctx)
		if time.Since(saved) >= saveEvery {
			s.remember()
			saved = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-more:
		case <-s.poke:
		case <-ticks.C:
		case <-wait.C:
		case <-later:
		}
		if !sleep(ctx, s.opt.Gather) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// remember writes down what is known.
func (s *Smoosh) remember() {
	if s.opt.State == "" {
		return
	}
	s.mu.Lock()
	for name, k := range s.known {
		if k.File != nil { // the counter ends with the process
			counter := s.opt.Store.Superseded(name, k.Instance)
			k.File.Superseded, k.File.since = k.File.superseded(counter), counter
		}
	}
	b, err := json.Marshal(s.known)
	s.mu.Unlock()
	if err = errors.Join(err, save(s.opt.State, b)); err != nil {
		s.opt.Log.Warn("what is in the files will be counted anew after the next start", "error", err)
	}
}

// of is what is known of a database. The caller holds mu.
func (s *Smoosh) of(name string) *known {
	k := s.known[name]
	if k == nil {
		k = &known{}
		s.known[name] = k
	}
	return k
}

// ofInstance is of, for a database that is open. If another one has taken its name, nothing is known.
// The caller holds mu.
func (s *Smoosh) ofInstance(db store.Bare) *known {
	k := s.of(db.Name())
	if k.Instance != db.Instance() {
		chores := k.Chores
		if k.Instance != "" {
			chores = nil
		}
		*k = known{Instance: db.Instance(), Chores: chores, Looked: k.Looked, Subs: k.Subs}
	}
	return k
}

// forget drops what is known of a database that is gone.
func (s *Smoosh) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, name)
	delete(s.heard, name)
	delete(s.cleans, name)
	maps.DeleteFunc(s.later, func(o object, _ time.Time) bool { return o.db == name })
	for _, q := range s.queues {
		for o := range q.has {
			if o.db == name {
				q.remove(o)
			}
		}
	}
}

// Figures returns the present figures.
func (s *Smoosh) Figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.figures
	f.Running = len(s.running)
	f.Looking = len(s.heard) + len(s.touched)
	for _, b := range []*backlog{&s.counts, &s.chores} {
		f.Looking += len(b.list)
		if b.busy {
			f.Looking++
		}
	}
	for _, q := range s.queues {
		f.Waiting += q.Len()
	}
	return f
}

// ChannelStatus is what a channel is doing.
type ChannelStatus struct {
	Active, Waiting int
	Least, Most     float64 // priorities of those that wait
}

// Status tells what each channel is doing, by its name.
func (s *Smoosh) Status() map[string]ChannelStatus {
	set := s.settings.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]ChannelStatus{}
	for _, channels := range [][]Channel{set.Databases, set.Views, set.Cleanups} {
		for i := range channels {
			name := channels[i].Name
			st := ChannelStatus{Active: s.inUse[name]}
			if q := s.queues[name]; q != nil {
				st.Waiting = q.Len()
				st.Least, st.Most = q.bounds()
			}
			all[name] = st
		}
	}
	return all
}
