package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// What a function writes to several local documents is there whole, or not at all.
func TestLocalDocumentsInOneTransaction(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	if err := s.Create(t.Context(), store.ServerDB); err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(t.Context(), store.ServerDB, store.ForMembers)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	all := func() string {
		found := ""
		if err := db.EachLocal(t.Context(), "_local/", func(id string, body []byte) error {
			found += fmt.Sprintf("%s=%s ", id, body)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	write := func(last error) error {
		return db.UpdateLocals(t.Context(), func(l *store.Locals) error {
			l.Put("_local/a", []byte(`{"n":1}`))
			l.Put("_local/b", []byte(`{"n":2}`))
			if body, err := l.Get("_local/a"); err != nil || string(body) != `{"n":1}` {
				t.Errorf("the transaction reads %s %v of what it has written", body, err)
			}
			l.Delete("_local/a")
			if body, err := l.Get("_local/a"); err != nil || body != nil {
				t.Errorf("the transaction reads %s %v of what it has deleted", body, err)
			}
			l.Put("_local/c", []byte(`{"n":3}`))
			return last
		})
	}
	refused := errors.New("refused")
	if err := write(refused); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if got := all(); got != "" {
		t.Errorf("a function that failed has written %s", got)
	}
	if err := write(nil); err != nil {
		t.Fatal(err)
	}
	if got, want := all(), `_local/b={"n":2} _local/c={"n":3} `; got != want {
		t.Errorf("written: %s, want %s", got, want)
	}
}

// The server's own databases are shown to nobody, and do not shorten the pages of others.
func TestHiddenNames(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	for _, name := range []string{store.ServerDB, "_users", "a", "b"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.Names(t.Context(), "", 2)
	if err != nil || fmt.Sprint(page) != "[_users a]" {
		t.Errorf("the first two names are %v (%v)", page, err)
	}
	events, _, _ := s.Events().Since(0)
	for _, e := range events {
		if e.DB == store.ServerDB {
			t.Errorf("the feed of databases tells of %s", e.DB)
		}
	}
}
