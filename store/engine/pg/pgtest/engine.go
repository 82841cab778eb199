package pgtest

import (
	"testing"

	"github.com/tododb/tododb/store/engine/pg"
)

// URL leads to tables that are empty, on the shared server.
func URL(t testing.TB) string {
	t.Helper()
	url := Shared(t).Schema(t)
	if err := pg.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return url
}

// Open opens an engine, which closes when the test ends.
func Open(t testing.TB, opt pg.Options) *pg.Engine {
	t.Helper()
	e, err := pg.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return e
}

// Engine opens an engine on tables that are empty.
func Engine(t testing.TB) *pg.Engine {
	t.Helper()
	return Open(t, pg.Options{URL: URL(t)})
}
