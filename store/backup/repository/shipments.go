package repository

import (
	"slices"
	"time"
)

// shipments are the backups that follow changes. Each goes on from the one before and takes its place, but
// what that has brought is brought again as long as it is small, so that no backup rests on a piece for
// every second. For the same reason the one that stays brings again what has come since the last that stayed.
type shipments struct {
	base, last *Backup          // the newest that stays; the newest
	from       map[string]Chain // where those go on that bring something again, by the chains' keys
	changed    map[string]bool  // databases, since base
}

// How much is brought again: by the next shipment, and by the one that stays.
const (
	smallShipment = 64 << 10
	smallBase     = 16 << 20
)

func newShipments(b *Backup) *shipments {
	return &shipments{base: b, last: b, from: map[string]Chain{}, changed: map[string]bool{}}
}

// next says how to make the next one, of databases that have changed.
func (s *shipments) next(m *Making, names []string, every time.Duration) {
	m.Base, m.Unchanged, m.from, m.Changed = s.last, KeepNone, s.from, map[string]bool{}
	for _, name := range names {
		m.Changed[name], s.changed[name] = true, true
	}
	if s.last == s.base {
		return
	}
	m.Replaces = s.last
	if time.Since(s.base.Time) < every {
		return
	}
	m.joined, m.from = true, map[string]Chain{}
	for name := range s.changed {
		m.Changed[name] = true
	}
	for _, c := range s.base.Chains {
		if now := s.last.chain(c.Key); now != nil && now.beyond(&c) >= 0 && now.beyond(&c) <= smallBase {
			m.from[c.Key] = c
		}
	}
}

// made takes in that a shipment was made.
func (s *shipments) made(b *Backup, m *Making, every time.Duration) {
	before := s.last
	s.last = b
	if since := b.Time.Sub(s.base.Time); since >= every || since < 0 {
		s.base = b
		clear(s.from)
		clear(s.changed)
		return
	}
	if m.joined { // the clock was set
		clear(s.from)
	}
	for i := range b.Chains {
		c := &b.Chains[i]
		from, again := s.from[c.Key]
		if was := before.chain(c.Key); !again && was != nil {
			from = *was
		}
		switch grown := c.beyond(&from); {
		case grown < 0 || grown > smallShipment:
			delete(s.from, c.Key)
		case grown > 0:
			s.from[c.Key] = from
		}
	}
}

// chain finds a chain by its key; nil: there is none.
func (o *Outline) chain(key string) *Chain {
	for i := range o.Chains {
		if o.Chains[i].Key == key {
			return &o.Chains[i]
		}
	}
	return nil
}

// beyond is how many stored bytes a chain has beyond an earlier one of the database, -1 if it does not go
// on from that one.
func (c *Chain) beyond(earlier *Chain) (n int64) {
	a, b := len(earlier.Segments), len(earlier.Packs)
	if earlier.Point.IsZero() || len(c.Segments) < a || len(c.Packs) < b || !slices.Equal(c.Segments[:a], earlier.Segments) || !slices.Equal(c.Packs[:b], earlier.Packs) {
		return -1
	}
	rest := Chain{Segments: c.Segments[a:], Packs: c.Packs[b:]}
	rest.each(func(p Part) bool {
		n += p.Size
		return true
	})
	return n
}
