package index

import (
	"context"
	"strings"

	"github.com/tododb/tododb/store"
)

// Upkeep needs no definitions: it takes indexes by their signatures, whether they are open or not.

// Signatures are those of the indexes that a database has.
func (m *Manager) Signatures(ctx context.Context, db *store.DB) (signatures []string, err error) {
	names, err := db.Subs(ctx)
	for _, name := range names {
		if signature, ours := strings.CutPrefix(name, subPrefix); ours {
			signatures = append(signatures, signature)
		}
	}
	return signatures, err
}

// Usage is what an index takes on disk, as far as that can be told at once. The error is
// store.ErrMissing if it is not there.
func (m *Manager) Usage(ctx context.Context, db *store.DB, signature string) (u store.Usage, err error) {
	err = m.hold(db, signature, func() (err error) {
		u, err = db.SubUsage(ctx, subPrefix+signature)
		return err
	})
	if err != nil {
		return u, err
	}
	m.mu.Lock()
	ix := m.open[indexID{db.Name(), db.Instance(), signature}]
	if ix == nil || ix.going || !ix.isOpen() {
		m.mu.Unlock()
		return u, nil
	}
	ix.users++
	m.mu.Unlock()
	defer ix.Release()
	info, err := ix.Info(ctx)
	u.Active = info.Active
	return u, err
}

// Measure finds out what the storage would take after Compact; it reads all of it.
func (m *Manager) Measure(ctx context.Context, db *store.DB, signature string) (live int64, err error) {
	err = m.hold(db, signature, func() (err error) {
		live, err = db.MeasureSub(ctx, subPrefix+signature)
		return err
	})
	return live, err
}

// Compact gives back the space of removed rows. The error is store.ErrCompactRunning if another
// compaction is running.
func (m *Manager) Compact(ctx context.Context, db *store.DB, signature string) error {
	return m.hold(db, signature, func() error {
		if !m.setCompacting(db, signature, true) {
			return store.ErrCompactRunning
		}
		defer m.setCompacting(db, signature, false)
		return db.CompactSub(ctx, subPrefix+signature)
	})
}

// setCompacting notes of an index, if it is open, whether it is being compacted. It returns false if
// that is noted already.
func (m *Manager) setCompacting(db *store.DB, signature string, now bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	ix := m.open[indexID{db.Name(), db.Instance(), signature}]
	if ix == nil {
		return true
	}
	was := ix.compacting
	ix.compacting = now
	return was != now
}

// hold calls fn while the index's storage stays, unless it is damaged and renewed.
func (m *Manager) hold(db *store.DB, signature string, fn func() error) error {
	id := indexID{db.Name(), db.Instance(), signature}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.drops[id] != nil {
		m.mu.Unlock()
		return store.ErrMissing
	}
	m.held[id]++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.held[id]--; m.held[id] == 0 {
			delete(m.held, id)
		}
	}()
	return translate(fn())
}

// Label names an open index for people; "" if it is not open.
func (m *Manager) Label(db *store.DB, signature string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ix := m.open[indexID{db.Name(), db.Instance(), signature}]; ix != nil {
		return ix.def.Label
	}
	return ""
}
