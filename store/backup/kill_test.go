package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// A restore over a database that is killed at any moment leaves the old database or the new one,
// whole, and nothing else once the folder is opened again.
func TestKilledRestore(t *testing.T) {
	widetest.Only(t)
	if folder := os.Getenv("TODODB_TEST_RESTORE"); folder != "" {
		restoreForEver(t, folder)
		return
	}
	dir := t.TempDir()
	src := storetest.Open(t, store.Options{})
	for _, n := range []int{300, 500} { // two backups, which take turns
		name := fmt.Sprint("db", n)
		db := storetest.Bare(t, src, name)
		fillWith(t, db, n)
		var b bytes.Buffer
		if _, err := backup.Capture(t.Context(), db, &b, backup.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".backup"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 12 {
		c := exec.Command(program, "-test.run=^TestKilledRestore$")
		c.Env = append(os.Environ(), "TODODB_TEST_RESTORE="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+37*round) * time.Millisecond) // whatever it is doing then
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		lookAfterKill(t, dir)
	}
}

func lookAfterKill(t *testing.T, dir string) {
	t.Helper()
	e, err := bolt.Open(filepath.Join(dir, "data"), bolt.Options{AppendOnly: store.AppendOnly})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), e, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(s.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	}()
	left, err := os.ReadDir(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if strings.Contains(f.Name(), ".aside") {
			t.Errorf("%s is left", f.Name())
		}
	}
	db, err := s.Bare(t.Context(), "db", store.ForBackups)
	if errors.Is(err, store.ErrNoDB) {
		return // it was killed before the first one was there
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	info, err := db.Info(t.Context())
	if err != nil || info.DocCount != 300 && info.DocCount != 500 {
		t.Errorf("there are %d documents, %v", info.DocCount, err)
	}
	if err := db.Check(t.Context(), func(problem string) { t.Errorf("check: %s", problem) }); err != nil {
		t.Error(err)
	}
}

// restoreForEver restores one backup after the other until it is killed.
func restoreForEver(t *testing.T, dir string) {
	e, err := bolt.Open(filepath.Join(dir, "data"), bolt.Options{AppendOnly: store.AppendOnly})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), e, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("db%d.backup", 300+200*(n%2))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Restore(t.Context(), s, "db", bytes.NewReader(b), backup.RestoreOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
	}
}
