package store_test

import (
	"context"
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
