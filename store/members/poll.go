package members

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tododb/tododb/store"
)

// watched is a local document that somebody follows.
type watched struct {
	id      string
	fn      func(body []byte)
	last    []byte
	started bool
}

// Follow calls fn with the body of a local document of store.ServerDB, nil if there is none, whenever
// another process may have changed it: within Options.Poll, and some milliseconds.
func (m *Members) Follow(id string, fn func(body []byte)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched = append(m.watched, &watched{id: id, fn: fn})
}

// Records is the database of what the processes have in common, for those who write there. It stays
// open until Close.
func (m *Members) Records() store.Bare { return m.db }

// poll looks for what others have written, until Close.
func (m *Members) poll() {
	tick := time.NewTicker(m.opt.Poll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
		if err := m.look(m.ctx); err != nil && m.ctx.Err() == nil {
			m.opt.Log.Debug("cannot look for what other processes have written", "error", err)
		}
	}
}

func (m *Members) look(ctx context.Context) error {
	m.mu.Lock()
	all, self, answers := m.watched, m.self, len(m.answers) > 0
	m.mu.Unlock()
	for _, w := range all {
		var body []byte
		doc, err := m.db.GetLocal(ctx, w.id)
		if err == nil {
			body = doc.Body
		} else if !errors.Is(err, store.ErrMissing) {
			return err
		}
		if !w.started || !bytes.Equal(body, w.last) {
			w.last, w.started = body, true
			w.fn(body)
		}
	}
	if self == "" || !answers {
		return nil
	}
	return m.answer(ctx, self)
}

// question is what one member asks of another.
type question struct {
	By   string          `json:"by"` // its id
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// reply is what it gets.
type reply struct {
	Body  json.RawMessage `json:"body,omitempty"`
	Error string          `json:"error,omitempty"`
}

// Answer has this process answer the questions of a kind. Questions and answers are JSON. fn is called
// for one after the other, and so must not take long.
func (m *Members) Answer(kind string, fn func(ctx context.Context, body []byte) ([]byte, error)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[kind] = fn
}

// answer answers what this process is asked.
func (m *Members) answer(ctx context.Context, self string) error {
	asked := map[string]question{}
	err := m.db.EachLocal(ctx, askPrefix+self+"/", func(doc string, body []byte) error {
		var q question
		if json.Unmarshal(body, &q) == nil {
			asked[doc] = question{q.By, q.Kind, bytes.Clone(q.Body)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for doc, q := range asked {
		m.mu.Lock()
		fn := m.answers[q.Kind]
		m.mu.Unlock()
		var r reply
		if fn == nil {
			r.Error = fmt.Sprintf("this process answers no questions of the kind %s", q.Kind)
		} else if body, err := fn(ctx, q.Body); err != nil {
			r.Error = err.Error()
		} else {
			r.Body = body
		}
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		err = m.db.UpdateLocals(ctx, func(l *store.Locals) error {
			l.Delete(doc)
			if there, err := l.Get(memberPrefix + q.By); err != nil || there == nil {
				return err // nobody waits
			}
			l.Put(answerPrefix+q.By+"/"+strings.TrimPrefix(doc, askPrefix+self+"/"), body)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Refused is the error of a member that was asked.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

// Ask asks another member, and waits for its answer. The error may be *Refused, or store.ErrMissing if
// that member is gone.
func (m *Members) Ask(ctx context.Context, member, kind string, body []byte) (answer []byte, err error) {
	if m == nil {
		return nil, store.ErrMissing
	}
	m.mu.Lock()
	self := m.self
	m.mu.Unlock()
	if self == "" {
		return nil, ErrAway
	}
	asked, err := json.Marshal(question{self, kind, body})
	if err != nil {
		return nil, err
	}
	id := rand.Text()
	there := func(l *store.Locals) error {
		record, err := l.Get(memberPrefix + member)
		if err == nil && record == nil {
			err = store.ErrMissing
		}
		return err
	}
	err = m.db.UpdateLocals(ctx, func(l *store.Locals) error {
		l.Put(askPrefix+member+"/"+id, asked)
		return there(l)
	})
	if err != nil {
		return nil, err
	}
	doc := answerPrefix + self + "/" + id
	tick := time.NewTicker(m.opt.Poll / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		found, err := m.db.GetLocal(ctx, doc)
		if errors.Is(err, store.ErrMissing) {
			if _, err := m.db.GetLocal(ctx, memberPrefix+member); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		var r reply
		if err := json.Unmarshal(found.Body, &r); err != nil {
			return nil, err
		}
		err = m.db.UpdateLocals(ctx, func(l *store.Locals) error {
			l.Delete(doc)
			return nil
		})
		if err != nil {
			m.opt.Log.Debug("an answer stays in the storage until this process ends", "error", err)
		}
		if r.Error != "" {
			return nil, &Refused{r.Error}
		}
		return r.Body, nil
	}
}
