//go:build unix

package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// copyData copies a server's data, as its owner.
func copyData(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		if d.IsDir() {
			err = os.MkdirAll(dest, 0o700)
		} else {
			var b []byte
			if b, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(dest, b, 0o600)
			}
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && os.Geteuid() == 0 {
			err = os.Chown(dest, int(s.Uid), int(s.Gid))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A server's files are put back while processes are running. What they have shown since is gone: a follower
// is told so, gets what comes after the last sequence that is common, and nobody believes what was cached of the
// state that was lost. A database whose number another one has got is not taken for that.
func TestPutBackUnderneath(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	url := server.Schema(t)
	if err := pg.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	a := storetest.Several(t, []engine.Engine{storetest.Shared(t, url)}, store.Options{})[0]
	b := storetest.Several(t, []engine.Engine{storetest.Shared(t, url)}, store.Options{})[0]
	if err := a.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	put := func(s *store.Store, id string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, err := write(t, must(t, s, "db"), revtree.Rev{}, `{"_id":%q}`, id)
			if err == nil {
				return
			}
			if !errors.Is(err, store.ErrReplaced) && !errors.Is(err, store.ErrUnavailable) || time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	since := func(s *store.Store, seq store.Seq) (ids []string) {
		t.Helper()
		db := must(t, s, "db")
		n, err := db.ParseSeq(t.Context(), seq.String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Changes(t.Context(), store.ChangesQuery{Since: n, Limit: -1}, func(c *store.Change) error {
			ids = append(ids, string(c.ID))
			return nil
		}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	secured := func(s *store.Store) string {
		t.Helper()
		raw, err := must(t, s, "db").Security(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	put(a, "kept")
	keep := filepath.Join(t.TempDir(), "data")
	server.Stop()
	copyData(t, filepath.Join(server.Dir, "data"), keep)
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}

	put(a, "lost 1")
	put(b, "lost 2")
	if err := must(t, b, "db").SetSecurity(t.Context(), []byte(`{"admins":{"names":["lost"],"roles":[]}}`)); err != nil {
		t.Fatal(err)
	}
	if err := a.Create(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	follower := must(t, a, "db")
	n, err := follower.UpdateSeq(t.Context())
	if err != nil || n != 4 {
		t.Fatalf("sequence %d: %v", n, err)
	}
	at := follower.Seq(n)
	if sec := secured(a); sec == "" {
		t.Fatal("no security object")
	}
	changed := follower.Changed(n)

	server.Stop()
	if err := os.RemoveAll(filepath.Join(server.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	copyData(t, keep, filepath.Join(server.Dir, "data"))
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}

	for _, id := range []string{"new 1", "new 2", "new 3", "new 4"} { // as many as were lost, and more
		put(b, id)
	}
	select {
	case <-follower.Gone():
	case <-changed:
		if _, err := follower.UpdateSeq(t.Context()); !errors.Is(err, store.ErrReplaced) {
			t.Errorf("a follower beyond what is left gets %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the follower is not told")
	}
	for i, s := range []*store.Store{a, b} {
		// The copy does not know the epoch of the second start, so "kept" comes again.
		if got := since(s, at); !slices.Equal(got, []string{"kept", "new 1", "new 2", "new 3", "new 4"}) {
			t.Errorf("process %d gives a client that had seen what is lost %q", i, got)
		}
		if sec := secured(s); sec != "" {
			t.Errorf("process %d believes a security object that is lost: %s", i, sec)
		}
	}
	if err := b.Create(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := openFor(t.Context(), a, "gone"); !errors.Is(err, store.ErrNoDB) {
		t.Errorf("a database that is lost: %v", err)
	}
	list, err := must(t, a, "db").Epochs(t.Context())
	if err != nil || len(list) == 0 || list[len(list)-1].First != 2 {
		t.Errorf("epochs %v, %v", list, err)
	}
}
