package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// Create makes an empty database. The error may be ErrBadDBName or ErrDBExists.
func (s *Store) Create(ctx context.Context, name string) error {
	return s.CreateWith(ctx, name, Properties{})
}

// CreateWith makes an empty database with properties, as Create makes one without any. The error
// may also be ErrSystemDB.
func (s *Store) CreateWith(ctx context.Context, name string, p Properties) error {
	if !ValidName(name) {
		return ErrBadDBName
	}
	s.mu.Lock()
	going := s.going[name]
	s.mu.Unlock()
	if going {
		return ErrDBExists // still
	}
	if p.Partitioned && systemName(name) {
		return ErrSystemDB
	}
	id, first, err := s.firstEntries(name, p)
	if err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	edb, err := s.eng.Create(ctx, name, first...)
	for errors.Is(err, engine.ErrTooManyOpen) && s.MakeRoom() {
		edb, err = s.eng.Create(ctx, name, first...)
	}
	if errors.Is(err, engine.ErrExists) {
		return ErrDBExists
	}
	if err != nil {
		return fmt.Errorf("create database %q: %w", name, translate(err))
	}
	db, err := s.openNew(ctx, name, edb, id)
	if errors.Is(err, ErrFull) || errors.Is(err, ErrUnavailable) {
		return errors.Join(err, s.eng.Drop(context.WithoutCancel(ctx), name)) // a failed creation leaves nothing behind
	}
	if err != nil {
		return err
	}
	at := db.at(0, db.era.Load())
	db.Release()
	s.events.add(Event{DB: name, Type: "created", At: at})
	return nil
}

// openNew hands out a database that has just been made. Its handle stays open: to close it and open it again, and
// read what it has begun with, would cost as much as a document.
func (s *Store) openNew(ctx context.Context, name string, edb engine.DB, id identity) (*DB, error) {
	s.letGo(context.WithoutCancel(ctx), name, id.Instance)
	if !s.Shared() {
		if db, err := s.openMade(ctx, name, edb, id); db != nil || err != nil {
			return db, err
		}
	}
	if err := edb.Close(); err != nil {
		return nil, fmt.Errorf("create database %q: %w", name, err)
	}
	s.mu.Lock()
	s.leave(name, leftAt{id: id.Instance, opened: s.opt.Clock()})
	s.mu.Unlock()
	return s.db(ctx, name)
}

// openMade is openNew unless somebody else has begun to open the database, or to take it away: then it is nil.
func (s *Store) openMade(ctx context.Context, name string, edb engine.DB, id identity) (*DB, error) {
	s.mu.Lock()
	if s.closed || s.going[name] || s.open[name] != nil {
		s.mu.Unlock()
		return nil, nil
	}
	db := newDB(s, name)
	s.open[name] = db
	delete(s.lefts, name)
	s.acquire(db)
	evicted := s.evict()
	s.mu.Unlock()
	for _, old := range evicted {
		s.closeLater(old, ErrNoDB)
	}
	db.openErr = db.begin(context.WithoutCancel(ctx), edb, id)
	close(db.opened)
	if db.openErr != nil {
		s.mu.Lock()
		s.forget(db)
		s.mu.Unlock()
		return nil, db.openErr
	}
	return db, nil
}
