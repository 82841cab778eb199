package repository_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
)

// refusing does not keep objects of a kind, from the nth on.
type refusing struct {
	repository.Storage
	kind string
	left atomic.Int64
}

var errRefused = errors.New("refused")

func (s *refusing) Keep(ctx context.Context, f *os.File, name string) error {
	if strings.HasPrefix(name, s.kind) && s.left.Add(-1) < 0 {
		return errors.Join(errRefused, f.Close(), os.Remove(f.Name()))
	}
	return s.Storage.Keep(ctx, f, name)
}

// Objects are stored while others are written. If one cannot be, no backup and no run names it, and the
// next run has everything.
func TestObjectsThatAreNotKept(t *testing.T) {
	for _, kind := range []string{"segments/", "packs/", "index/"} {
		w := newWorld(t, 1)
		storage := repository.NewFolder(t.TempDir())
		repo := create(t, storage, repository.Keys{})
		for _, name := range []string{"db1", "db2", "db3"} {
			w.must(w.s.Create(t.Context(), name))
		}
		for n := range int64(3) {
			for _, name := range []string{"db1", "db2", "db3"} {
				w.put(name, "a", `{"n":1}`, strings.Repeat(name, 1000+int(n)))
			}
			bad := &refusing{Storage: storage, kind: kind}
			if kind == "segments/" {
				bad.left.Store(n)
			}
			failing, err := repository.Open(t.Context(), bad, repository.Keys{})
			w.must(err)
			if b, err := failing.Make(t.Context(), backup.Local{Store: w.s}, repository.Making{Server: "a server"}); b != nil || !errors.Is(err, errRefused) {
				t.Fatalf("%d of %s are kept: %v, %v", n, kind, b, err)
			}
			b := w.backup(repo)
			compare(t, kind, w.restored(repo, b), state(t, w.s, w.eng))
		}
	}
}
