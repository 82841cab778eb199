package index_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// privateMemory is the memory of the process that belongs to no file, in bytes: the heap, and
// freed memory that was not given back. It is 0 if the system does not say.
func privateMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return n << 10
		}
	}
	return 0
}

// watchMemory starts to watch the private memory. The function returns the most that there was.
func watchMemory() func() int64 {
	var most atomic.Int64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), privateMemory()))
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() int64 { close(end); <-ended; return most.Load() }
}

// The memory for building an index does not grow with the database.
func TestBuildMemory(t *testing.T) {
	widetest.Only(t)
	if privateMemory() == 0 {
		t.Skip("the system does not tell the private memory of a process")
	}
	docs := 150_000
	if os.Getenv("TODODB_TEST_HOSTILE") != "" {
		docs = 2_000_000
	} else if testing.Short() {
		docs = 60_000
	}
	e := storetest.Engine(t)
	w := newWorld(t, e, index.Options{Scratch: t.TempDir()})
	db := w.create(t, "memory")
	defer db.Release()
	for from := 0; from < docs; from += 1000 {
		edits := make([]store.Edit, 1000)
		for i := range edits {
			n := from + i
			edits[i].Doc = document.Doc{ID: fmt.Sprintf("doc-%08x", uint32(n)*2654435761), Body: fmt.Appendf(nil, `{"type":"type-%02d","n":%d}`, n%40, uint32(n)*2654435761)}
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	const limit = 150 << 20
	// From half of what is allowed garbage is collected eagerly, so what counts is what is held.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit / 2))
	runtime.GC()
	debug.FreeOSMemory()
	before := privateMemory()
	began := time.Now()
	most := watchMemory()
	ix, err := w.m.Open(t.Context(), db, benchDefinition("memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	if err := ix.Wait(t.Context(), uint64(docs)); err != nil {
		t.Fatal(err)
	}
	peak := most()
	t.Logf("%d documents: %d MiB before, at most %d MiB, %v", docs, before>>20, peak>>20, time.Since(began))
	if n, err := ix.Count(t.Context(), []index.Range{{View: 1}}); err != nil || n != docs {
		t.Errorf("%d rows, %v", n, err)
	}
	if peak > limit {
		t.Errorf("building took %d MiB", peak>>20)
	}
}

// Nor does it grow with the rows that functions make from small documents, though all rows of one
// document are in memory together.
func TestBuildMemoryOfLargeRows(t *testing.T) {
	widetest.Only(t)
	if privateMemory() == 0 {
		t.Skip("the system does not tell the private memory of a process")
	}
	for _, c := range []struct{ docs, size, most int }{{3000, 200_000, 150 << 20}, {24, 33_000_000, 600 << 20}} {
		if c.docs == 24 && testing.Short() {
			continue // gigabytes are written
		}
		t.Run(fmt.Sprint(c.size), func(t *testing.T) { buildLargeRows(t, c.docs, c.size, int64(c.most)) })
	}
}

func buildLargeRows(t *testing.T, docs, size int, want int64) {
	e := storetest.Engine(t)
	w := newWorld(t, e, index.Options{Scratch: t.TempDir()})
	db := w.create(t, "large")
	defer db.Release()
	write := func(from, to int) {
		var edits []store.Edit
		for i := from; i < to; i++ {
			edits = append(edits, store.Edit{Doc: document.Doc{ID: fmt.Sprintf("doc-%08x", uint32(i)*2654435761), Body: []byte("{}")}})
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	value := []byte(`"` + strings.Repeat("x", size) + `"`)
	def := &index.Definition{
		Signature: "large", Views: []index.View{{}},
		NewMapper: func() (index.Mapper, error) { return &largeMapper{value}, nil },
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(want / 2)) // as above
	runtime.GC()
	debug.FreeOSMemory()
	before := privateMemory()
	most := watchMemory()
	ix, err := w.m.Open(t.Context(), db, def)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	for _, until := range []int{docs / 2, docs} { // built first, then brought up to date
		write(until-docs/2, until)
		if err := ix.Wait(t.Context(), uint64(until)); err != nil {
			t.Fatal(err)
		}
	}
	peak := most()
	t.Logf("%d rows of %d bytes: %d MiB before, at most %d MiB", docs, size, before>>20, peak>>20)
	if peak > want {
		t.Errorf("building took %d MiB", peak>>20)
	}
	rows := 0
	err = ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{View: 0}}, Limit: -1}, index.RowsTo{Row: func(r *index.Row) error {
		if rows++; !bytes.Equal(r.Value, value) {
			t.Errorf("the row of %s has %d bytes", r.ID, len(r.Value))
		}
		return nil
	}})
	if err != nil || rows != docs {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// largeMapper emits a value for each document.
type largeMapper struct{ value []byte }

func (*largeMapper) Close() {}

func (m *largeMapper) Map(_ context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	return emit(0, fmt.Appendf(nil, "%q", d.ID), m.value)
}
