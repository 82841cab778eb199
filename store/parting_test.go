package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
)

// lingering is an engine that takes its time to close and to delete databases.
type lingering struct {
	engine.Engine
	now  chan struct{} // closed: it does
	open int           // handles
}

type lingeringDB struct {
	engine.DB
	eng *lingering
}

func (e *lingering) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	e.open++
	return &lingeringDB{db, e}, err
}

func (e *lingering) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	e.open++
	return &lingeringDB{db, e}, err
}

func (e *lingering) Drop(ctx context.Context, name string) error {
	<-e.now
	return e.Engine.Drop(ctx, name)
}

func (d *lingeringDB) Close() error {
	<-d.eng.now
	d.eng.open--
	return d.DB.Close()
}

// Whoever has closed a store may close its engine: nobody still closes a database that was taken off the books
// before.
func TestCloseWaitsForDatabasesThatAreGoing(t *testing.T) {
	for name, leave := range map[string]func(*store.Store) error{
		"to make room":     func(s *store.Store) error { s.MakeRoom(); return nil },
		"as it is deleted": func(s *store.Store) error { return s.Drop(context.Background(), "db") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &lingering{Engine: chaos.New(chaos.Options{Alone: true}), now: make(chan struct{})}
				s, err := store.Open(t.Context(), e, store.Options{})
				if err == nil {
					err = s.Create(t.Context(), "db")
				}
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					if err := leave(s); err != nil {
						t.Error(err)
					}
				}()
				synctest.Wait() // it waits for the engine
				closed := false
				go func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					if closed = true; e.open != 0 {
						t.Error("the store is closed before its database")
					}
				}()
				synctest.Wait()
				close(e.now)
				synctest.Wait()
				if !closed || e.open != 0 {
					t.Errorf("closed %v, %d open", closed, e.open)
				}
			})
		})
	}
}

// hesitant is an engine that takes its time to say that a database is not there.
type hesitant struct {
	engine.Engine
	now chan struct{} // closed: it does
}

func (e *hesitant) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	if err != nil && name == "db" {
		<-e.now
	}
	return db, err
}

// Whoever opens a database that another process has just made finds it, also while somebody is told that it is not there.
func TestOpenWhatWasMadeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &hesitant{Engine: chaos.New(chaos.Options{}), now: make(chan struct{})}
		s, err := store.Open(t.Context(), e, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		opens := func(err *error) {
			var there bool
			if there, *err = s.Exists(t.Context(), "db"); *err == nil && !there {
				*err = store.ErrNoDB
			}
		}
		var first, second error
		go opens(&first)
		synctest.Wait()
		db, err := e.Engine.Create(t.Context(), "db")
		if err == nil {
			err = db.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		go opens(&second)
		synctest.Wait()
		close(e.now)
		synctest.Wait()
		if !errors.Is(first, store.ErrNoDB) || second != nil {
			t.Errorf("the first says %v, the second %v", first, second)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
