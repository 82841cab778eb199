package pg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// Tables of each earlier version are brought up to date, also over several versions at once, and what is in
// them stays. A program refuses tables that are older or newer than it, and leaves them as they are.
func TestMigrations(t *testing.T) {
	url := pgtest.Shared(t).Schema(t)
	opens := func(want error) *pg.Engine {
		t.Helper()
		e, err := pg.Open(t.Context(), pg.Options{URL: url, Sequence: sequence})
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		if e != nil {
			t.Cleanup(func() { e.Close() })
		}
		return e
	}
	initialized := func(want error) {
		t.Helper()
		if err := pg.Init(t.Context(), url); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}

	opens(pg.ErrNoSchema)
	restore := pg.Migrations(func(m []string) []string { return m[:1] })
	defer func() { restore() }()
	initialized(nil)
	e := opens(nil)
	put(t, create(t, e, "db"), "k", "v")
	e.Close()

	restore()
	opens(pg.ErrSchema)
	restore = pg.Migrations(func(m []string) []string {
		return append(m, "create table td_made_up (n int); insert into td_made_up select count(*) from td_kv;", "alter table td_made_up add column more int;")
	})
	initialized(nil)
	initialized(nil)
	if v := get(t, open(t, opens(nil), "db"), "k"); v != "v" {
		t.Errorf("the value is %q", v)
	}
	restore()
	opens(pg.ErrSchema)
	initialized(pg.ErrSchema)

	// A migration that fails leaves the tables of the version before.
	other := pgtest.URL(t)
	restore = pg.Migrations(func(m []string) []string { return append(m, "create table td_made_up (n int);", "select 1/0;") })
	if err := pg.Init(t.Context(), other); err == nil {
		t.Error("a migration that fails has succeeded")
	}
	restore()
	pgtest.Open(t, pg.Options{URL: other})
}

// A server that is too old is refused at once, with tables and without them, and gets none.
func TestOldServer(t *testing.T) {
	url := pgtest.Shared(t).Schema(t)
	refused := func() {
		t.Helper()
		restore := pg.Oldest(1_000_000)
		defer restore()
		_, err := pg.Open(t.Context(), pg.Options{URL: url})
		for _, err := range []error{err, pg.Init(t.Context(), url)} {
			if !errors.Is(err, pg.ErrServer) || !strings.Contains(err.Error(), "and the server is ") {
				t.Errorf("the error is %v", err)
			}
		}
	}
	refused()
	if _, err := pg.Open(t.Context(), pg.Options{URL: url}); !errors.Is(err, pg.ErrNoSchema) {
		t.Errorf("the error is %v", err)
	}
	if err := pg.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	refused()
}
