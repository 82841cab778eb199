package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/storetest"
)

// counting is an engine that counts the databases it opens.
type counting struct {
	engine.Engine
	opened int
}

func (e *counting) Open(ctx context.Context, name string) (engine.DB, error) {
	e.opened++
	return e.Engine.Open(ctx, name)
}

// known is what an open database has in memory.
type known struct {
	Instance, Epoch string
	Opened, Created time.Time
	Partitioned     bool
	Design          uint64
	Info            store.Info
}

func knownOf(t *testing.T, db *store.DB) (k known) {
	t.Helper()
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	design, err := db.DesignSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return known{db.Instance(), db.Epoch(), db.Opened(), info.Created, db.Partitioned(), design, info}
}

// Who makes a database has it open: nothing has to be read for that. What is known of it then is what is read when it is
// closed and opened again.
func TestMadeIsOpen(t *testing.T) {
	for name, p := range map[string]store.Properties{"plain": {}, "partitioned": {Partitioned: true}} {
		t.Run(name, func(t *testing.T) {
			e := &counting{Engine: storetest.Engine(t)}
			s := storetest.On(t, e, store.Options{})
			if err := s.CreateWith(t.Context(), "db", p); err != nil {
				t.Fatal(err)
			}
			db, err := storetest.OpenDB(t.Context(), s, "db")
			if err != nil {
				t.Fatal(err)
			}
			made := knownOf(t, db)
			db.Release()
			if e.opened != 0 {
				t.Errorf("it was opened %d times after it was made", e.opened)
			}
			if !s.MakeRoom() {
				t.Fatal("it is not closed")
			}
			again := must(t, s, "db")
			if e.opened != 1 {
				t.Errorf("it was opened %d times", e.opened)
			}
			if got := knownOf(t, again); !reflect.DeepEqual(got, made) {
				t.Errorf("when it is opened again, this is known:\n%+v\nand when it was made:\n%+v", got, made)
			}
		})
	}
}

// slow is an engine where something happens between the making of a database and the handle to it.
type slow struct {
	engine.Engine
	meanwhile func()
}

func (e *slow) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	if do := e.meanwhile; err == nil && do != nil {
		e.meanwhile = nil
		do()
	}
	return db, err
}

// Before who makes a database has it on the books, others may write to it, drop it and make another one. What is handed out is
// what is there then, as it is then.
func TestMadeMeanwhile(t *testing.T) {
	open := func(t *testing.T, s *store.Store) *store.DB {
		db, err := storetest.OpenDB(t.Context(), s, "db")
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	drop := func(t *testing.T, s *store.Store) {
		if err := s.Drop(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, s *store.Store) {
		db, err := s.Bare(t.Context(), "db", store.ForUpkeep)
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, `{"_id":"_design/d","language":"javascript"}`)
		db.Release()
	}
	for name, meanwhile := range map[string]func(t *testing.T, s *store.Store){
		"written": write,
		"dropped and made again": func(t *testing.T, s *store.Store) {
			drop(t, s)
			if err := s.Create(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			write(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := &slow{Engine: storetest.Engine(t)}
			s := storetest.On(t, e, store.Options{})
			e.meanwhile = func() {
				meanwhile(t, s)
				if !s.MakeRoom() {
					t.Error("it is not closed")
				}
			}
			if err := s.Create(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			db := open(t, s)
			got := knownOf(t, db)
			db.Release()
			if !s.MakeRoom() {
				t.Fatal("it is not closed")
			}
			want := knownOf(t, must(t, s, "db"))
			want.Opened = got.Opened
			if !reflect.DeepEqual(got, want) {
				t.Errorf("this is known of it:\n%+v\nand when it is opened again:\n%+v", got, want)
			}
		})
	}
	t.Run("in use", func(t *testing.T) {
		e := &slow{Engine: storetest.Engine(t)}
		s := storetest.On(t, e, store.Options{})
		var used *store.DB
		e.meanwhile = func() {
			drop(t, s)
			if err := s.Create(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			used = open(t, s)
		}
		if err := s.Create(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		defer used.Release()
		if why := used.WhyGone(); why != nil {
			t.Errorf("a database that is there is gone: %v", why)
		}
		if _, err := used.Info(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		e := &slow{Engine: storetest.Engine(t)}
		s := storetest.On(t, e, store.Options{})
		e.meanwhile = func() { drop(t, s) }
		if err := s.Create(t.Context(), "db"); !errors.Is(err, store.ErrNoDB) {
			t.Errorf("a database that is gone is made: %v", err)
		}
		if n := s.OpenDatabases(); n != 0 {
			t.Errorf("%d databases are open", n)
		}
	})
}
