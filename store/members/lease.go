package members

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/tododb/tododb/store"
)

var (
	// ErrLost says that a lease is no longer held: another process has it or may have it.
	ErrLost = errors.New("another process has taken over")
	// ErrAway says that this process is not a member at the moment, because it could not reach the
	// storage.
	ErrAway = errors.New("this process is not a member at the moment")
)

// Held says that another member has a lease.
type Held struct {
	Member string // its id
	Name   string
}

func (e *Held) Error() string { return fmt.Sprintf("the process %s does it", e.Name) }

// holding is the record of a lease.
type holding struct {
	Member string `json:"member"`
	Take   string `json:"take"` // another one for each Take
	Token  uint64 `json:"token"`
}

// Lease is the right to do something. Release it when that is done.
type Lease struct {
	m      *Members // nil: nobody else could have it
	name   string
	now    holding
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Take takes a lease. The error is *Held if a member that lives has it, this process included, or
// ErrAway.
func (m *Members) Take(ctx context.Context, name string) (*Lease, error) {
	l := &Lease{m: m, name: name}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	if m == nil {
		return l, nil
	}
	m.mu.Lock()
	l.now = holding{Member: m.self, Take: rand.Text()}
	m.leases[l] = true // before it is known, so that nobody here takes it for one that was left behind
	m.mu.Unlock()
	err := ErrAway
	if l.now.Member != "" {
		err = m.take(ctx, l)
	}
	if err == nil && errors.Is(context.Cause(l.ctx), ErrLost) { // meanwhile
		err = ErrAway
	}
	if err != nil {
		l.cancel(err)
		l.drop()
		return nil, err
	}
	return l, nil
}

func (m *Members) take(ctx context.Context, lease *Lease) error {
	doc := leasePrefix + lease.name
	// Most callers find it taken, and need no transaction for that.
	if found, err := m.db.GetLocal(ctx, doc); err == nil {
		var h holding
		if json.Unmarshal(found.Body, &h) == nil {
			if name, lives := m.known(h.Member); lives && !m.left(h) {
				return &Held{h.Member, name}
			}
		}
	} else if !errors.Is(err, store.ErrMissing) {
		return err
	}
	var token uint64
	err := m.db.UpdateLocals(ctx, func(l *store.Locals) error {
		mine, err := l.Get(memberPrefix + lease.now.Member)
		if err != nil {
			return err
		}
		if mine == nil {
			return ErrAway
		}
		body, err := l.Get(doc)
		if err != nil {
			return err
		}
		var h holding
		if body != nil && json.Unmarshal(body, &h) == nil {
			if h.Take == lease.now.Take { // this transaction has taken place already
				token = h.Token
				return nil
			}
			if !m.left(h) {
				if err := m.free(l, h.Member); err != nil {
					return err
				}
			}
		}
		if body, err = l.Get(tokenID); err != nil {
			return err
		}
		var last struct {
			Token uint64 `json:"token"`
		}
		if body != nil {
			if err := json.Unmarshal(body, &last); err != nil {
				return err
			}
		}
		last.Token++
		token = last.Token
		if body, err = json.Marshal(last); err != nil {
			return err
		}
		l.Put(tokenID, body)
		next := lease.now
		next.Token = token
		if body, err = json.Marshal(next); err != nil {
			return err
		}
		l.Put(doc, body)
		return nil
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lease.now.Token = token
	return nil
}

// turnPause is how long a process leaves a lease to the one whose turn it is.
const turnPause = time.Second

// Turn waits a moment, or until ctx ends, unless this process is the first to try for a lease. All processes that
// live agree on who that is, without asking, and it is another one for each name: so work that all hear of at once
// spreads over them. If the first one does not take it, any of the others does.
func (m *Members) Turn(ctx context.Context, name string) {
	pause := m.TurnIn(name)
	if pause == 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TurnIn is how long Turn waits now, 0 if it does not.
func (m *Members) TurnIn(name string) time.Duration {
	if m == nil || m.first(name) {
		return 0
	}
	return turnPause
}

// first tells whether this process, of those that lived at the last beat, has the greatest hash together with a name.
func (m *Members) first(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var most, own [sha256.Size]byte
	for _, one := range m.living {
		sum := sha256.Sum256([]byte(one.ID + "/" + name))
		if bytes.Compare(sum[:], most[:]) > 0 {
			most = sum
		}
		if one.ID == m.self {
			own = sum
		}
	}
	return own == most
}

// Holder returns the id of the member that has a lease, "" if none that lives has it.
func (m *Members) Holder(ctx context.Context, name string) (id string, err error) {
	if m == nil {
		return "", nil
	}
	doc, err := m.db.GetLocal(ctx, leasePrefix+name)
	if errors.Is(err, store.ErrMissing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var h holding
	if err := json.Unmarshal(doc.Body, &h); err != nil || m.left(h) {
		return "", err
	}
	doc, err = m.db.GetLocal(ctx, memberPrefix+h.Member)
	if errors.Is(err, store.ErrMissing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var r record
	if err := json.Unmarshal(doc.Body, &r); err != nil || !m.lives(r, m.now()) {
		return "", err
	}
	return h.Member, nil
}

// Lives tells whether a member lived at the last beat. Once it does not, OnGone has been called, or is about to be.
func (m *Members) Lives(id string) bool {
	if m == nil {
		return false
	}
	_, lives := m.known(id)
	return lives
}

// known tells whether a member lived at the last beat, from memory.
func (m *Members) known(id string) (name string, lives bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.living {
		if one.ID == id {
			return one.Name, true
		}
	}
	return "", false
}

// left tells whether a lease is this process's own by mistake: it could not be given back.
func (m *Members) left(h holding) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.Member != m.self {
		return false
	}
	for l := range m.leases {
		if l.now.Take == h.Take {
			return false
		}
	}
	return true
}

// free removes the holder of a lease if it is gone. The error is *Held if it lives.
func (m *Members) free(l *store.Locals, id string) error {
	body, err := l.Get(memberPrefix + id)
	if err != nil || body == nil {
		return err
	}
	var r record
	if json.Unmarshal(body, &r) == nil && m.lives(r, m.now()) {
		return &Held{id, r.Name}
	}
	return remove(l, id)
}

// Token is the lease's number, greater than that of everybody who had it before. It is 0 if this
// process is alone.
func (l *Lease) Token() uint64 { return l.now.Token }

// Context ends when the lease is lost or released, or when that of Take ends. Its cause is ErrLost if
// it is lost.
func (l *Lease) Context() context.Context { return l.ctx }

// Still asks the storage whether the lease is held. The error is ErrLost if it is not.
func (l *Lease) Still(ctx context.Context) error {
	if l.m == nil {
		return nil
	}
	if l.ctx.Err() != nil && errors.Is(context.Cause(l.ctx), ErrLost) {
		return ErrLost
	}
	doc, err := l.m.db.GetLocal(ctx, leasePrefix+l.name)
	if errors.Is(err, store.ErrMissing) {
		return l.lost()
	}
	if err != nil {
		return err
	}
	var h holding
	if json.Unmarshal(doc.Body, &h) != nil || h != l.now {
		return l.lost()
	}
	return nil
}

// Of is what an error of work under Context means: ErrLost if the lease was lost, which ends that work with
// whatever error a context that has ended makes of it.
func (l *Lease) Of(err error) error {
	if err == nil || !errors.Is(context.Cause(l.ctx), ErrLost) {
		return err
	}
	return fmt.Errorf("%w: %v", ErrLost, err)
}

func (l *Lease) lost() error {
	l.cancel(ErrLost)
	l.drop()
	return ErrLost
}

func (l *Lease) drop() {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.leases, l)
}

// releaseWithin is how long a lease tries to be given back.
const releaseWithin = 5 * time.Second

// Release lets others have the lease at once. If the storage cannot be reached, the lease stays with
// this process until it takes it again, or is gone.
func (l *Lease) Release(ctx context.Context) error {
	l.cancel(context.Canceled)
	if l.m == nil {
		return nil
	}
	l.drop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	return l.m.db.UpdateLocals(ctx, func(locals *store.Locals) error {
		body, err := locals.Get(leasePrefix + l.name)
		if err != nil || body == nil {
			return err
		}
		var h holding
		if json.Unmarshal(body, &h) == nil && h == l.now {
			locals.Delete(leasePrefix + l.name)
		}
		return nil
	})
}

// While has work done by one member at a time: here when this one has the lease, and until it is lost
// or ctx ends. It returns when ctx has ended, or when work has returned though it was not told to.
func (m *Members) While(ctx context.Context, name string, work func(context.Context)) {
	if m == nil {
		work(ctx)
		return
	}
	for ctx.Err() == nil {
		lease, err := m.Take(ctx, name)
		if err == nil {
			m.opt.Log.Debug("this process does it from now on", "work", name, "token", lease.Token())
			work(lease.Context())
			lost := lease.Context().Err() != nil
			if err := lease.Release(ctx); err != nil {
				m.opt.Log.Warn("cannot give back what one process does", "work", name, "error", err)
			}
			if !lost {
				return
			}
		}
		timer := time.NewTimer(m.opt.Beat + mathrand.N(m.opt.Beat/4+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
