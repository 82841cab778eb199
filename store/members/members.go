package members

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
)

// Options are what a member needs. Store must be set.
type Options struct {
	Store *store.Store
	Name  string       // that the others see, HOST:PORT
	Log   *slog.Logger // nil: nothing is logged

	Beat time.Duration // between two renewals (3 s)
	Gone time.Duration // without one, after which a member is gone (15 s)
	Poll time.Duration // between two looks for what others have written (400 ms)
}

// Member is a process that lives.
type Member struct {
	ID      string    // of this life: after a restart there is another
	Name    string    // of the process
	Started time.Time // when it became a member
	Self    bool      // it is this process
}

// record is a member's record.
type record struct {
	Name    string `json:"name"`
	Started int64  `json:"started"` // ms since 1970, by the storage's clock
	Beat    int64  `json:"beat"`    // likewise, of the last renewal
}

// early is a beat that is later than the storage's clock, which has been set back since.
type early struct {
	beat int64
	seen time.Time // first, by this process's clock
}

const (
	memberPrefix = "_local/member/"
	leasePrefix  = "_local/lease/"
	notePrefix   = "_local/note/"
	askPrefix    = "_local/ask/"
	answerPrefix = "_local/answer/"
	tokenID      = "_local/token"
)

// Members is this process as a member. It is safe for use by several goroutines.
type Members struct {
	opt    Options
	db     store.Bare
	early  map[string]early // by member; only renew uses it
	ctx    context.Context
	stop   context.CancelFunc
	works  sync.WaitGroup
	closed sync.Once

	mu      sync.Mutex    // guards what follows; no I/O under it
	self    string        // "": not a member at the moment
	was     string        // what self was before
	ahead   time.Duration // the storage's clock before this process's
	until   time.Time     // the membership ends then unless a beat moves it
	expiry  *time.Timer   // ends it
	leases  map[*Lease]bool
	living  []Member
	notes   map[string]func() map[string][]byte // by kind
	written map[string]string                   // notes that are in the storage, by id
	gone    []func(id string)
	watched []*watched
	answers map[string]func(context.Context, []byte) ([]byte, error) // by kind
}

// Open makes this process a member. Close ends that.
func Open(ctx context.Context, opt Options) (*Members, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		of *time.Duration
		is time.Duration
	}{{&opt.Beat, 3 * time.Second}, {&opt.Gone, 15 * time.Second}, {&opt.Poll, 400 * time.Millisecond}} {
		if *d.of <= 0 {
			*d.of = d.is
		}
	}
	db, err := open(ctx, opt.Store)
	if err != nil {
		return nil, err
	}
	m := &Members{
		opt: opt, db: db, leases: map[*Lease]bool{}, written: map[string]string{},
		notes: map[string]func() map[string][]byte{}, answers: map[string]func(context.Context, []byte) ([]byte, error){},
	}
	m.ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.beat(ctx); err != nil {
		m.stop()
		db.Release()
		return nil, fmt.Errorf("join the other processes: %w", err)
	}
	m.works.Go(m.run)
	m.works.Go(m.poll)
	return m, nil
}

// open opens the database, and makes it if it is not there.
func open(ctx context.Context, s *store.Store) (store.Bare, error) {
	db, err := s.Bare(ctx, store.ServerDB, store.ForMembers)
	if errors.Is(err, store.ErrNoDB) {
		if err = s.Create(ctx, store.ServerDB); err == nil || errors.Is(err, store.ErrDBExists) {
			db, err = s.Bare(ctx, store.ServerDB, store.ForMembers)
		}
	}
	return db, err
}

// leaveWithin is how long Close tries to tell the others.
const leaveWithin = 2 * time.Second

// Close ends the membership: the others see at once that this process is gone. Leases that are still
// held are lost.
func (m *Members) Close() error {
	if m == nil {
		return nil
	}
	m.closed.Do(func() {
		m.stop()
		m.works.Wait()
		id := m.lose()
		told := make(chan error, 1)
		go func() {
			defer m.db.Release()
			told <- m.db.UpdateLocals(context.WithoutCancel(m.ctx), func(l *store.Locals) error { return remove(l, id) })
		}()
		var err error
		select {
		case err = <-told:
		case <-time.After(leaveWithin): // the storage is away; closing the store ends the attempt
			err = store.ErrUnavailable
		}
		if err != nil {
			m.opt.Log.Warn("cannot tell the other processes that this one ends; they find out by themselves", "error", err)
		}
	})
	return nil
}

// run renews the membership until Close.
func (m *Members) run() {
	tick := time.NewTicker(m.opt.Beat)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
		err := m.beat(m.ctx)
		if err != nil && m.ctx.Err() == nil && !failing {
			m.opt.Log.Warn("cannot reach the other processes over the storage; trying again", "error", err)
		}
		failing = err != nil
	}
}

// errExpelled says that the others have removed this process.
var errExpelled = errors.New("the other processes had not heard of this one for too long")

// beat renews the membership, or begins one.
func (m *Members) beat(ctx context.Context) error {
	err := m.renew(ctx)
	if errors.Is(err, errExpelled) {
		m.opt.Log.Warn("other processes have taken over what this one did", "reason", err)
		m.lose()
		err = m.renew(ctx)
	}
	return err
}

func (m *Members) renew(ctx context.Context) error {
	began := time.Now()
	now, err := m.opt.Store.Now(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	id, was, started := m.self, m.was, now
	joins := id == ""
	if joins {
		id = rand.Text()
		m.written = map[string]string{}
	}
	m.ahead = now.Sub(began)
	written := m.written
	of := make(map[string]func() map[string][]byte, len(m.notes))
	for kind, notes := range m.notes {
		of[kind] = notes
	}
	m.mu.Unlock()
	next := map[string]string{}
	for kind, notes := range of {
		for key, body := range notes() {
			next[noteID(kind, id, key)] = string(body)
		}
	}
	var living []Member
	var gone []string
	var soon map[string]early
	err = m.db.UpdateLocals(ctx, func(l *store.Locals) error {
		mine, err := l.Get(memberPrefix + id)
		if err != nil {
			return err
		}
		r := record{Name: m.opt.Name, Started: started.UnixMilli()}
		if mine != nil {
			if err := json.Unmarshal(mine, &r); err != nil {
				return err
			}
		} else if !joins {
			return errExpelled
		}
		r.Beat = now.UnixMilli()
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		living, gone, soon = nil, nil, map[string]early{}
		if was != "" && joins {
			gone = append(gone, was)
		}
		err = l.Scan(memberPrefix, func(doc string, body []byte) error {
			other := strings.TrimPrefix(doc, memberPrefix)
			if other == id || other == was {
				return nil
			}
			var o record
			if json.Unmarshal(body, &o) != nil || !m.lives(o, now) {
				gone = append(gone, other)
				return nil
			}
			if time.UnixMilli(o.Beat).After(now) {
				e := m.early[other]
				if e.beat != o.Beat {
					e = early{o.Beat, began}
				}
				if began.Sub(e.seen) >= m.opt.Gone {
					gone = append(gone, other)
					return nil
				}
				soon[other] = e
			}
			living = append(living, o.member(other))
			return nil
		})
		if err != nil {
			return err
		}
		for _, other := range gone {
			if err := remove(l, other); err != nil {
				return err
			}
		}
		self := r.member(id)
		self.Self = true
		living = append(living, self)
		l.Put(memberPrefix+id, body)
		for note, body := range next {
			if old, is := written[note]; !is || old != body {
				l.Put(note, []byte(body))
			}
		}
		for note := range written {
			if _, is := next[note]; !is {
				l.Delete(note)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.early = soon
	return m.stay(id, joins, began, living, next)
}

// stay takes in that the membership was renewed. The error is ErrAway if it was lost meanwhile.
func (m *Members) stay(id string, joined bool, began time.Time, living []Member, written map[string]string) error {
	m.mu.Lock()
	if !joined && m.self != id {
		m.mu.Unlock()
		return ErrAway
	}
	m.self, m.was, m.written = id, "", written
	// The others count from the time of the beat, which is later than began; and they need not wait
	// until this process has noticed.
	m.until = began.Add(m.opt.Gone - m.opt.Gone/5)
	if m.expiry != nil {
		m.expiry.Stop()
	}
	m.expiry = time.AfterFunc(time.Until(m.until), func() { m.expire(id) })
	var gone []string
	for _, before := range m.living {
		if !slices.ContainsFunc(living, func(now Member) bool { return now.ID == before.ID }) {
			gone = append(gone, before.ID)
		}
	}
	slices.SortFunc(living, func(a, b Member) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	m.living = living
	tell := slices.Clone(m.gone)
	m.mu.Unlock()
	for _, other := range gone {
		for _, fn := range tell {
			fn(other)
		}
	}
	return nil
}

// expire ends a membership that was not renewed in time. It may have been renewed just when the timer fired.
func (m *Members) expire(id string) {
	m.mu.Lock()
	late := m.self == id && !time.Now().Before(m.until)
	if late {
		m.loseLocked()
	}
	m.mu.Unlock()
	if late {
		m.opt.Log.Warn("the storage cannot be reached; what one process does for all is left to the others")
	}
}

// lose ends the membership here, and all leases with it. It returns the id that it had.
func (m *Members) lose() (id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loseLocked()
	return m.was
}

// loseLocked is lose for a caller who holds mu.
func (m *Members) loseLocked() {
	if m.self != "" {
		m.was, m.self = m.self, ""
	}
	if m.expiry != nil {
		m.expiry.Stop()
	}
	for l := range m.leases {
		l.cancel(ErrLost)
		delete(m.leases, l)
	}
}

func (r record) member(id string) Member {
	return Member{ID: id, Name: r.Name, Started: time.UnixMilli(r.Started).UTC()}
}

// lives tells whether a member is still there at a time of the storage's clock.
func (m *Members) lives(r record, now time.Time) bool {
	return now.Sub(time.UnixMilli(r.Beat)) < m.opt.Gone
}

// now is about the time by the storage's clock.
func (m *Members) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.ahead)
}

// remove removes a member and all that it has.
func remove(l *store.Locals, id string) error {
	if id == "" {
		return nil
	}
	l.Delete(memberPrefix + id)
	err := l.Scan(leasePrefix, func(doc string, body []byte) error {
		var h holding
		if json.Unmarshal(body, &h) != nil || h.Member == id {
			l.Delete(doc)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = l.Scan(notePrefix, func(doc string, _ []byte) error {
		if _, of, _ := noteOf(doc); of == id {
			l.Delete(doc)
		}
		return nil
	})
	for _, prefix := range []string{askPrefix, answerPrefix} {
		if err == nil {
			err = l.Scan(prefix+id+"/", func(doc string, _ []byte) error {
				l.Delete(doc)
				return nil
			})
		}
	}
	return err
}

// Name is what this process is called, "" if it is alone.
func (m *Members) Name() string {
	if m == nil {
		return ""
	}
	return m.opt.Name
}

// ID is what this process has at the moment as a member: "" if it is none or alone.
func (m *Members) ID() string {
	if m == nil {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.self
}

// List returns the members that live, this process among them, in the order of their names. A process
// that is alone has none.
func (m *Members) List(ctx context.Context) ([]Member, error) {
	if m == nil {
		return nil, nil
	}
	m.mu.Lock()
	self := m.self
	m.mu.Unlock()
	var living []Member
	now := m.now()
	err := m.db.EachLocal(ctx, memberPrefix, func(doc string, body []byte) error {
		var r record
		if json.Unmarshal(body, &r) == nil && m.lives(r, now) {
			one := r.member(strings.TrimPrefix(doc, memberPrefix))
			one.Self = one.ID == self
			living = append(living, one)
		}
		return nil
	})
	slices.SortFunc(living, func(a, b Member) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return living, err
}

// OnGone has a function called with the id of each member that has gone since, soon after. It must
// return at once.
func (m *Members) OnGone(fn func(id string)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = append(m.gone, fn)
}
