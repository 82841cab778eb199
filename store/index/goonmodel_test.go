package index_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
)

// Whatever becomes of the documents, and of the files that a build left which was cut short: an index that is built then has
// the rows of all documents.
func TestGoingOnIsNeverWrong(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	if text := os.Getenv("TODODB_TEST_SEEDS"); text != "" {
		seeds, _ = strconv.ParseUint(text, 10, 64)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			w := boltWorld(t, index.Options{})
			db := w.create(t, "db")
			defer db.Release()
			left := cutShort(t, w, db, int64(60+r.IntN(430)))
			for range 20 + r.IntN(60) {
				changeAny(t, r, db, seed%3 == 2)
			}
			if seed%3 == 0 {
				w.expire(t, db)
			}
			if seed%3 == 1 {
				spoilAny(t, r, left)
			}
			sameAsModel(t, w, db, left)
		})
	}
}

// changeAny does something to a document.
func changeAny(t *testing.T, r *rand.Rand, db *store.DB, purges bool) {
	t.Helper()
	doc := document.Doc{ID: fmt.Sprintf("doc-%03d", r.IntN(520)), Body: fmt.Appendf(nil, `{"k":[%d,"z"],"v":5}`, r.IntN(20))}
	if now, err := db.Get(t.Context(), doc.ID, store.ReadOptions{}); err == nil {
		doc.Rev, doc.HasRev, doc.Deleted = now.Rev, true, r.IntN(3) == 0
		if purges && r.IntN(30) == 0 {
			if _, _, err := db.Purge(t.Context(), []string{doc.ID}, [][]revtree.Rev{{now.Rev}}); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	if res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
}

// spoilAny does something to files.
func spoilAny(t *testing.T, r *rand.Rand, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return
	}
	for range 1 + r.IntN(2) {
		name := files[r.IntN(len(files))]
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue
		}
		switch at := r.IntN(len(b)); r.IntN(4) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b = b[:at]
		case 2:
			clear(b[at:])
		case 3:
			b = append(b, b[:at]...)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sameAsModel builds the index with what was left in a folder, and compares its rows with the model's.
func sameAsModel(t *testing.T, w *world, db *store.DB, left string) {
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
	ix, err := m.Open(t.Context(), db, keysDefinition())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Wait(t.Context(), info.UpdateSeq); err != nil {
		t.Fatal(err)
	}
	for view := range orders {
		var got, want []string
		total, sum := 0, 0
		err := ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{View: view}}, Limit: -1}, index.RowsTo{
			Head: func(h index.Head) error { total = int(h.Total); return nil },
			Row: func(r *index.Row) error {
				got = append(got, modelRow{nil, string(r.Key), string(r.Value), string(r.ID)}.String())
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range modelRows(t, db, view) {
			want = append(want, r.String())
			n, _ := strconv.Atoi(r.value)
			sum += n
		}
		if total != len(want) || !slices.Equal(got, want) {
			t.Errorf("view %d: %d rows, and in all %d:\n%s\nwant %d:\n%s", view, len(got), total, strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
		err = ix.Reduce(t.Context(), view, index.ReduceQuery{Ranges: []index.Range{{View: view}}, Limit: -1}, index.GroupsTo{Group: func(g *index.Group) error {
			if n, _ := strconv.Atoi(string(g.Value)); n != sum {
				t.Errorf("view %d: the sum is %d, want %d", view, n, sum)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}
