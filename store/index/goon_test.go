package index_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// counting counts the documents that it maps. Before the one with this number it calls at, once.
type counting struct {
	index.Mapper
	mapped *atomic.Int64
	number int64
	at     func()
}

func (m *counting) Map(ctx context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	if m.mapped.Add(1) == m.number && m.at != nil {
		m.at()
	}
	return m.Mapper.Map(ctx, d, emit)
}

func (m *counting) definition(signature string) *index.Definition {
	def := keysDefinition()
	def.Signature = signature
	def.NewMapper = func() (index.Mapper, error) { return &counting{keysMapper{}, m.mapped, m.number, m.at}, nil }
	return def
}

// copyFolder copies the files of a folder as they are: what a process leaves that is killed now.
func copyFolder(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// cutShort has a first build of 500 documents, 50 in a run, stop in the middle, and returns the folder with what
// it has sorted as it was then.
func cutShort(t *testing.T, w *world, db *store.DB, number int64) (left string) {
	t.Helper()
	for i := range 500 {
		put(t, db, fmt.Sprintf("doc-%03d", i*7919%500), fmt.Sprintf(`{"k":[%d,"k%d"],"v":%d}`, i%13, i, i))
	}
	scratch := t.TempDir()
	m := index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: scratch, Delay: time.Hour})
	m.SetBatches(50, 1<<20)
	var mapped atomic.Int64
	at := make(chan struct{})
	reached := &counting{mapped: &mapped, number: number, at: func() {
		runsAreMade(t, scratch, int(number)/50-2) // they are written while the next documents are mapped
		left = copyFolder(t, scratch)
		close(at)
	}}
	ix, err := m.Open(t.Context(), db, reached.definition("keys"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan struct{})
	go func() { ix.Wait(ctx, 1); close(waited) }()
	<-at
	cancel()
	<-waited
	ix.Release()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.DropSub(t.Context(), "index-keys"); err != nil {
		t.Fatal(err)
	}
	return left
}

// runsAreMade waits until a build has so many whole runs.
func runsAreMade(t *testing.T, scratch string, runs int) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		lists, err := filepath.Glob(filepath.Join(scratch, "*.made"))
		if err != nil || time.Now().After(end) {
			t.Errorf("the build does not get to %d runs: %v", runs, err)
			return
		}
		made := -1 // the first line is no run
		for _, list := range lists {
			text, _ := os.ReadFile(list) // it may not be there yet
			made += strings.Count(string(text), "\n")
		}
		if made >= runs {
			return
		}
	}
}

// goOn builds the index with what was left in a folder, and returns how many documents were mapped. The index is
// as one that was built at once.
func goOn(t *testing.T, w *world, db *store.DB, left string) (documents int64) {
	t.Helper()
	m := index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: left, Delay: time.Hour})
	m.SetBatches(50, 1<<20)
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if names, _ := filepath.Glob(filepath.Join(left, "*")); len(names) > 0 {
			t.Errorf("%v stay", names)
		}
	}()
	var mapped atomic.Int64
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	built := func(signature string) {
		ix, err := m.Open(t.Context(), db, (&counting{mapped: &mapped}).definition(signature))
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Release()
		if err := ix.Wait(t.Context(), info.UpdateSeq); err != nil {
			t.Fatal(err)
		}
	}
	built("keys")
	documents = mapped.Load()
	built("anew")
	if old, anew := dump(t, db, "keys"), dump(t, db, "anew"); len(old) == 0 || !slices.Equal(old, anew) {
		t.Errorf("gone on with:\n%s\nbuilt at once:\n%s", strings.Join(old, "\n"), strings.Join(anew, "\n"))
	}
	return documents
}

// A first build that was cut short goes on behind its last whole run, though the process was killed.
func TestABuildGoesOn(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	left := cutShort(t, w, db, 420)
	// Documents change meanwhile, some of which are in the runs, and some not.
	for _, i := range []int{3, 100, 250, 499} {
		put(t, db, fmt.Sprintf("new-%03d", i), `{"k":[1],"v":2}`)
	}
	if n := goOn(t, w, db, left); n > 500+4-300 {
		t.Errorf("%d documents were mapped", n)
	}
}

// It does so wherever the list of runs is cut off, and whatever is behind the last whole run.
func TestABuildGoesOnWithWhatIsWhole(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	left := cutShort(t, w, db, 420)
	lists, err := filepath.Glob(filepath.Join(left, "*.made"))
	if err != nil || len(lists) != 1 {
		t.Fatal(lists, err)
	}
	whole, err := os.ReadFile(lists[0])
	if err != nil {
		t.Fatal(err)
	}
	again := func(spoil func(dir string)) int64 {
		dir := copyFolder(t, left)
		spoil(dir)
		n := goOn(t, w, db, dir)
		for _, name := range []string{"index-keys", "index-anew"} {
			if err := db.DropSub(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	list := func(dir string) string { return filepath.Join(dir, filepath.Base(lists[0])) }
	before := int64(500)
	for part := range 6 {
		at := len(whole) * part / 5
		n := again(func(dir string) {
			if err := os.WriteFile(list(dir), whole[:at], 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if n > before {
			t.Errorf("%d documents are mapped with %d bytes of the list, %d with fewer", n, at, before)
		}
		before = n
	}
	if before > 200 {
		t.Errorf("%d documents are mapped with all of the list", before)
	}
	rows := func(dir string) string { return strings.TrimSuffix(list(dir), ".made") }
	for name, spoil := range map[string]func(dir string){
		"garbage behind the list": func(dir string) { os.WriteFile(list(dir), append(slices.Clone(whole), "{}\n\x00\x00"...), 0o600) },
		"no rows":                 func(dir string) { os.Truncate(rows(dir), 0) },
		"some rows":               func(dir string) { os.Truncate(rows(dir), 9000) },
		"no file of rows":         func(dir string) { os.Remove(rows(dir)) },
		"no list":                 func(dir string) { os.Remove(list(dir)) },
	} {
		if n := again(spoil); n > 500 {
			t.Errorf("%s: %d documents are mapped", name, n)
		}
	}
	// Blocks that a power cut took are noticed while they are merged: the build starts anew by itself.
	again(func(dir string) {
		f, err := os.OpenFile(rows(dir), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, 512), 700); err != nil {
			t.Fatal(err)
		}
	})
}

// What leaves no change behind makes the runs useless.
func TestABuildStartsAnewAfterAPurge(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	left := cutShort(t, w, db, 420)
	for _, id := range []string{"doc-000", "doc-007"} {
		d, err := db.Get(t.Context(), id, store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := db.Purge(t.Context(), []string{id}, [][]revtree.Rev{{d.Rev}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := goOn(t, w, db, left); n < 498 {
		t.Errorf("only %d documents were mapped", n)
	}
}

// A database of the same name is another one.
func TestABuildDoesNotGoOnInAnotherDatabase(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	left := cutShort(t, w, db, 420)
	db.Release()
	db = w.create(t, "db")
	defer db.Release()
	put(t, db, "other", `{"k":[1],"v":2}`)
	m := index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: left})
	defer m.Close()
	ix, err := m.Open(t.Context(), db, keysDefinition())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	if err := ix.Wait(t.Context(), 1); err != nil || count(t, ix) != 1 {
		t.Errorf("%d rows, %v", count(t, ix), err)
	}
}

// A build that is stopped because its process ends leaves its runs, and what nobody goes on with is removed.
func TestAProcessThatEndsLeavesItsRuns(t *testing.T) {
	w := boltWorld(t, index.Options{})
	db := w.create(t, "db")
	defer db.Release()
	for i := range 300 {
		put(t, db, fmt.Sprintf("doc-%03d", i), fmt.Sprintf(`{"k":[%d],"v":1}`, i))
	}
	scratch := t.TempDir()
	m := index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: scratch, Delay: time.Hour})
	m.SetBatches(50, 1<<20)
	var mapped atomic.Int64
	at, closing := make(chan struct{}), make(chan struct{})
	stops := &counting{mapped: &mapped, number: 220, at: func() { close(at); <-closing }}
	ix, err := m.Open(t.Context(), db, stops.definition("keys"))
	if err != nil {
		t.Fatal(err)
	}
	go ix.Wait(t.Context(), 1)
	<-at
	closed := make(chan error)
	go func() { closed <- m.Close() }()
	for !m.Closing() {
		time.Sleep(time.Millisecond)
	}
	close(closing)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if n := goOn(t, w, db, scratch); n > 250 {
		t.Errorf("%d documents were mapped", n)
	}
	if err := os.WriteFile(filepath.Join(scratch, "rows-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rows-2", "rows-2.made"} {
		if err := os.WriteFile(filepath.Join(scratch, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m = index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: scratch})
	defer m.Close()
	if names, _ := filepath.Glob(filepath.Join(scratch, "*")); len(names) != 2 {
		t.Errorf("at first %v stay", names)
	}
	m.ForgetLeft()
	if names, _ := filepath.Glob(filepath.Join(scratch, "*")); len(names) != 0 {
		t.Errorf("later %v stay", names)
	}
}

// What nobody goes on with is removed whatever the folder's name has in it.
func TestRunsInAFolderWithBrackets(t *testing.T) {
	w := boltWorld(t, index.Options{})
	scratch := filepath.Join(t.TempDir(), "data[1]")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rows-1", "rows-2", "rows-2.made", "another"} {
		if err := os.WriteFile(filepath.Join(scratch, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := index.NewManager(t.Context(), index.Options{Store: w.s, Scratch: scratch})
	defer m.Close()
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 3 {
		t.Errorf("at first %v stay, %v", left, err)
	}
	m.ForgetLeft()
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 1 || left[0].Name() != "another" {
		t.Errorf("later %v stay, %v", left, err)
	}
}
