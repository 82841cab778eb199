package storetest

import (
	"os"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// Engine opens an engine in an empty folder. It does not wait for the disk: what is in it
// survives the end of a process, but no power cut.
func Engine(t testing.TB) *bolt.Engine {
	t.Helper()
	return EngineIn(t, t.TempDir())
}

// EngineIn opens such an engine in a folder that the test has chosen.
func EngineIn(t testing.TB, dir string) *bolt.Engine {
	t.Helper()
	return open(t, dir, bolt.Options{AppendOnly: store.AppendOnly, NoSync: true})
}

// SyncedEngine opens an engine that waits for the disk, as the engine of a server does. It is
// for benchmarks of what users wait for.
func SyncedEngine(t testing.TB) *bolt.Engine {
	t.Helper()
	return open(t, t.TempDir(), bolt.Options{AppendOnly: store.AppendOnly})
}

func open(t testing.TB, dir string, opt bolt.Options) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(dir, opt)
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

// Shared opens an engine on tables that other engines may be opened on as well, at the same URL. It
// skips the test where PostgreSQL is not installed.
func Shared(t testing.TB, url string) *pg.Engine {
	t.Helper()
	return pgtest.Open(t, pg.Options{URL: url, Sequence: store.Sequence})
}

// Engines open an engine of each kind, by its name: the real ones, of which PostgreSQL may not be installed, and
// two in memory that run transactions twice, and do not always know whether a commit took place. One of these takes
// only keys of 80 bytes.
var Engines = map[string]func(testing.TB) engine.Engine{
	"bolt": func(t testing.TB) engine.Engine { t.Helper(); return Engine(t) },
	"pg":   func(t testing.TB) engine.Engine { t.Helper(); return Shared(t, pgtest.URL(t)) },
	"chaos": func(testing.TB) engine.Engine {
		return chaos.New(chaos.Options{Seed: 1, Rerun: 0.3, Unknown: 0.04, DropNotices: 0.3})
	},
	"small keys": func(testing.TB) engine.Engine {
		return chaos.New(chaos.Options{Seed: 2, MaxKey: 80, Rerun: 0.3, Unknown: 0.04, DropNotices: 0.3})
	},
}

// onPostgreSQL has the tests that do not care about the engine run on PostgreSQL, each on tables of its own.
// That takes minutes.
var onPostgreSQL = os.Getenv("TODODB_TEST_ENGINE") == "pg"

// SkipSlow skips a test that makes very many calls on an engine behind a network, unless all tests are wanted.
func SkipSlow(t testing.TB, engine string) {
	t.Helper()
	if engine == "pg" && testing.Short() && !onPostgreSQL {
		t.Skip("it makes too many calls over a network for a short run")
	}
}
