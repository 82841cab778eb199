package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// The server's own databases are there for the server alone.
func TestHidden(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	for _, name := range []string{store.SynchronizationsDB, store.UpdatesDB, store.ServerDB} {
		if !store.Hidden(name) || !store.ValidName(name) {
			t.Errorf("%s is not hidden, or not a name", name)
		}
		if storetest.DB(t, s, name).Name() != name {
			t.Errorf("the server does not have %s", name)
		}
		_, err := s.Open(t.Context(), name, func(context.Context, store.Opening) (*store.Guard, error) { return &store.Guard{}, nil })
		if !errors.Is(err, store.ErrNoDB) {
			t.Errorf("somebody opens %s: %v", name, err)
		}
	}
	if evs, _, _ := s.Events().Since(0); len(evs) > 0 {
		t.Errorf("events tell of %v", evs)
	}
	if store.Hidden("_users") || store.Hidden("db/_updates") {
		t.Error("others are hidden too")
	}
}
