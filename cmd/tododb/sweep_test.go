package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

func TestSweepingStops(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := storetest.On(t, storetest.EngineIn(t, filepath.Join(dir, "databases")), store.Options{})
		if err := st.Create(t.Context(), "notes"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		began := time.Now()
		sweepUntil(ctx, st, sweepEvery, slog.New(slog.DiscardHandler))
		if took := time.Since(began); took != 150*time.Minute {
			t.Errorf("it ended after %v", took)
		}
		if err := sweepAll(t.Context(), st); err != nil {
			t.Error(err)
		}
	})
}
