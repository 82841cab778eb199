package bolt_test

import (
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/enginetest"
)

func open(t testing.TB, dir string, opt bolt.Options) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine { return open(t, t.TempDir(), bolt.Options{NoSync: true}) })
}
