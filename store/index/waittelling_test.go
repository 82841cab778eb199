package index_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// stuck maps nothing until it is let go. Then it fails with err, unless err is nil.
type stuck struct {
	index.Mapper
	letGo chan struct{}
	err   error
}

func (s stuck) Map(ctx context.Context, d *store.Document, emit func(view int, key, value []byte) error) error {
	select {
	case <-s.letGo:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	return s.Mapper.Map(ctx, d, emit)
}

// A caller that waits for a slow build can show others that it waits, learns how the build ends,
// and may give up.
func TestWaitTelling(t *testing.T) {
	gaveUp := errors.New("nobody listens")
	for name, c := range map[string]struct{ build, tell, want error }{
		"built": {}, "failed": {build: errMap, want: errMap}, "given up": {tell: gaveUp, want: gaveUp},
	} {
		t.Run(name, func(t *testing.T) {
			w := boltWorld(t, index.Options{})
			db := w.create(t, "db")
			defer db.Release()
			put(t, db, "a", `{"k":[1],"v":1}`)
			letGo := make(chan struct{})
			def := keysDefinition()
			def.NewMapper = func() (index.Mapper, error) { return stuck{keysMapper{}, letGo, c.build}, nil }
			ix, err := w.m.Open(t.Context(), db, def)
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Release()
			told := 0
			err = ix.WaitTelling(t.Context(), 1, func() error {
				if told++; told == 2 {
					close(letGo)
					return c.tell
				}
				return nil
			})
			if !errors.Is(err, c.want) || told < 2 {
				t.Errorf("%v, want %v; told %d times", err, c.want, told)
			}
		})
	}
}

// A caller that panics while it tells ends itself, and neither the process nor the index.
func TestWaitTellingPanics(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	put(t, db, "a", `{"k":[1],"v":1}`)
	letGo := make(chan struct{})
	def := keysDefinition()
	def.NewMapper = func() (index.Mapper, error) { return stuck{keysMapper{}, letGo, nil}, nil }
	ix, err := w.m.Open(t.Context(), db, def)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	func() {
		defer func() {
			if cause := recover(); cause != "mistaken" {
				t.Errorf("%v is recovered", cause)
			}
		}()
		_ = ix.WaitTelling(t.Context(), 1, func() error { panic("mistaken") })
	}()
	if info, err := ix.Info(t.Context()); err != nil || info.WaitingClients != 0 {
		t.Errorf("%d wait, %v", info.WaitingClients, err)
	}
	close(letGo)
	if err := ix.Wait(t.Context(), 1); err != nil {
		t.Error(err)
	}
}
