package pg_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
)

// Whoever starts a server whose storage is not there hears at once what it waits for.
func TestOpenSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	_, err := pg.Open(t.Context(), pg.Options{
		URL: "postgres://anna:sesame@127.0.0.1:1/notes", Patience: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Fatal(err)
	}
	if said := log.String(); strings.Count(said, "the storage does not answer yet") != 1 || !strings.Contains(said, "connection refused") || strings.Contains(said, "sesame") {
		t.Errorf("the log says\n%s", said)
	}
}
