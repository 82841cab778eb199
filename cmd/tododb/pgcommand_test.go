package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

func runPG(ctx context.Context, args ...string) (string, error) {
	var out strings.Builder
	err := run(ctx, append([]string{"pg", "init"}, args...), &out)
	return out.String(), err
}

// pg init makes the tables, once; what it prints makes the same ones.
func TestPGInit(t *testing.T) {
	server := pgtest.Shared(t)
	url := server.Schema(t)
	if _, err := pg.Open(t.Context(), pg.Options{URL: url}); !errors.Is(err, pg.ErrNoSchema) || !strings.Contains(err.Error(), "tododb pg init") {
		t.Errorf("opened without tables: %v", err)
	}
	for range 2 {
		if out, err := runPG(t.Context(), "--storage", url); err != nil {
			t.Fatal(out, err)
		}
	}
	pgtest.Open(t, pg.Options{URL: url})

	t.Setenv("TODODB_STORAGE", "")
	if _, err := runPG(t.Context()); err == nil || !strings.Contains(err.Error(), "--storage") {
		t.Errorf("without a URL: %v", err)
	}
	ddl, err := runPG(t.Context(), "--print")
	if err != nil {
		t.Fatal(err)
	}
	other := server.Schema(t)
	pgtest.ExecAt(t, other, ddl)
	pgtest.Open(t, pg.Options{URL: other})

	pgtest.ExecAt(t, other, "update td_meta set value = '99' where name = 'schema'")
	if _, err := pg.Open(t.Context(), pg.Options{URL: other}); !errors.Is(err, pg.ErrSchema) {
		t.Errorf("opened with tables of a newer release: %v", err)
	}
	if _, err := runPG(t.Context(), "--storage", other); !errors.Is(err, pg.ErrSchema) {
		t.Errorf("init of tables of a newer release: %v", err)
	}
}
