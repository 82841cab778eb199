package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// longID is an id that takes much room.
func longID(i int) string { return fmt.Sprintf("%05d", i) + strings.Repeat("-", 900) }

// fillWith writes documents, and a conflict, and a tombstone.
func fillWith(t *testing.T, db *store.DB, n int) (revs []revtree.Rev) {
	t.Helper()
	edits := make([]store.Edit, n)
	for i := range edits {
		edits[i].Doc = parse(t, `{"_id":"%s","n":%d}`, longID(i), i)
	}
	results, err := db.Write(t.Context(), edits, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		revs = append(revs, r.Rev)
	}
	fork := parse(t, `{"_id":"%s","fork":true}`, longID(3))
	fork.Path = []revtree.Rev{{Gen: 2, ID: strings.Repeat("f", 32)}}
	if _, err := db.Put(t.Context(), store.Edit{Doc: fork}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := write(t, db, revs[0], `{"_id":"%s","_deleted":true}`, longID(0)); err != nil {
		t.Fatal(err)
	}
	return revs
}

// Totals that an earlier release left wrong are right after a compaction, though documents are written, deleted and
// purged while all are counted, and the log says so. Totals that are right stay, and nothing is said.
func TestCompactionMendsTotals(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "shared": false} {
		t.Run(name, func(t *testing.T) {
			var during func()
			var armed atomic.Bool
			e := chaos.New(chaos.Options{Alone: alone, Scanning: func(s engine.Space, rg engine.Range) {
				if s == 2 && rg.To == nil && !rg.Reverse && armed.Load() {
					during()
				}
			}})
			var log bytes.Buffer
			db := storetest.DB(t, storetest.On(t, e, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), "db")
			const n = 4500 // more than two snapshots have
			revs := fillWith(t, db, n)
			if err := db.Miscount(t.Context(), 7, 2, 1000); err != nil {
				t.Fatal(err)
			}
			info, err := db.Info(t.Context())
			if err != nil || info.DocCount != n+6 || info.DelCount != 3 {
				t.Fatalf("%+v, %v", info, err)
			}
			said := ""
			if err := db.Check(t.Context(), func(problem string) { said += problem }); err != nil || !strings.Contains(said, "compaction sets them right") {
				t.Errorf("check says %q, %v", said, err)
			}
			next := 100
			during = func() {
				if next > 106 {
					return
				}
				over := make(chan struct{})
				go func() { // a snapshot is open here
					defer close(over)
					next++
					for _, id := range []string{"0", "00100", "02500", "z"} {
						if _, err := write(t, db, revtree.Rev{}, `{"_id":"%s-%d"}`, id, next); err != nil {
							t.Error(err)
						}
					}
					for _, i := range []int{next, next + 2200, n - 10 - next%50} {
						if _, err := write(t, db, revs[i], `{"_id":"%s","_deleted":true}`, longID(i)); err != nil {
							t.Error(i, err)
						}
					}
					gone := []int{next - 50, next + 2350}
					for _, i := range gone {
						if _, _, err := db.Purge(t.Context(), []string{longID(i)}, [][]revtree.Rev{{revs[i]}}); err != nil {
							t.Error(err)
						}
					}
				}()
				<-over
			}
			armed.Store(true)
			err = db.Compact(t.Context())
			armed.Store(false)
			if err != nil {
				t.Fatal(err)
			}
			if next < 102 {
				t.Error("nothing was written meanwhile")
			}
			checkIsClean(t, db)
			if s := log.String(); strings.Count(s, "counted anew") != 1 || !strings.Contains(s, "db=db") {
				t.Errorf("the log: %s", s)
			}
			log.Reset()
			before, _ := db.Info(t.Context())
			if err := db.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after, err := db.Info(t.Context()); err != nil || after.UpdateSeq != before.UpdateSeq || log.Len() > 0 {
				t.Errorf("%+v after %+v, %v, %s", after, before, err, &log)
			}
		})
	}
}

// Of two processes that count at the same time and find the same, one sets it right.
func TestTotalsAreMendedOnce(t *testing.T) {
	var scans atomic.Int32
	var meanwhile func()
	e := chaos.New(chaos.Options{Scanning: func(s engine.Space, rg engine.Range) {
		if s == 2 && rg.From == nil && rg.To == nil && scans.Add(1) == 2 { // the first one looks for what is to be trimmed
			meanwhile()
		}
	}})
	stores := storetest.Several(t, []engine.Engine{e, e}, store.Options{})
	first := storetest.DB(t, stores[0], "db")
	fillWith(t, first, 20)
	second := storetest.DB(t, stores[1], "db")
	if err := first.Miscount(t.Context(), 1, 0, 10); err != nil {
		t.Fatal(err)
	}
	meanwhile = func() {
		if err := second.Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	scans.Store(0)
	if err := first.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if scans.Load() < 4 {
		t.Error("the other process has not counted")
	}
	checkIsClean(t, first)
}

// The same on files, beside somebody who writes all the time.
func TestCompactionMendsTotalsOfFiles(t *testing.T) {
	db := storetest.DB(t, storetest.On(t, storetest.Engine(t), store.Options{}), "db")
	revs := fillWith(t, db, 2000)
	if err := db.Miscount(t.Context(), 3, 0, 99); err != nil {
		t.Fatal(err)
	}
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for i := 10; i < 1900; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := write(t, db, revs[i], `{"_id":"%s","_deleted":true}`, longID(i)); err != nil {
				t.Error(err)
			}
			if _, err := write(t, db, revtree.Rev{}, `{"_id":"%05d-%d"}`, (i*37)%2000, i); err != nil {
				t.Error(err)
			}
		}
	}()
	err := db.Compact(t.Context())
	close(stop)
	<-over
	if err != nil {
		t.Fatal(err)
	}
	checkIsClean(t, db)
}

// A database whose totals are wrong is refused when it comes as a backup, with what to do, and is taken after a
// compaction.
func TestBackupOfWrongTotals(t *testing.T) {
	s := storetest.On(t, storetest.Engine(t), store.Options{})
	db := storetest.Bare(t, s, "db")
	fillWith(t, db.Unguarded(), 10)
	if err := db.Unguarded().Miscount(t.Context(), 1, 0, 10); err != nil {
		t.Fatal(err)
	}
	adopt := func() error {
		t.Helper()
		a, err := s.Adopt(t.Context(), "restored")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		c, err := db.BeginCapture(t.Context(), store.Point{}, store.CaptureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for more := true; more; {
			if more, err = c.Page(t.Context(), adoptSink{a}); err != nil {
				t.Fatal(err)
			}
		}
		return a.Finish(store.AdoptOptions{})
	}
	if err := adopt(); err == nil || !strings.Contains(err.Error(), "compact the database and back it up again") {
		t.Errorf("wrong totals: %v", err)
	}
	if err := db.Unguarded().Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := adopt(); err != nil {
		t.Errorf("after a compaction: %v", err)
	}
}

// adoptSink takes in what has no attachments.
type adoptSink struct{ *store.Adoption }

func (adoptSink) Attachment(store.CapturedAttachment) error { return nil }
