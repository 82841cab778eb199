package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// A partitioned database applies its rule to every id that is written or asked for.
func TestPartitionedDatabaseKnowsItsIDs(t *testing.T) {
	eachEngineWith(t, store.Properties{Partitioned: true}, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"a:1"}`); err != nil {
			t.Fatal(err)
		}
		good := store.Edit{Doc: parse(t, `{"_id":"a:2"}`)}
		replicated := parse(t, `{"_id":"plain"}`)
		replicated.Rev, replicated.HasRev = revtree.Rev{Gen: 1, ID: "a"}, true
		for what, do := range map[string]func() error{
			"an edit": func() error {
				_, err := db.Write(t.Context(), []store.Edit{good, {Doc: parse(t, `{"_id":"plain"}`)}}, store.WriteOptions{})
				return err
			},
			"one document": func() error {
				_, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"a:"}`)}, store.WriteOptions{})
				return err
			},
			"all or none": func() error {
				_, err := db.Write(t.Context(), []store.Edit{good, {Doc: parse(t, `{"_id":":x"}`)}}, store.WriteOptions{Atomic: true})
				return err
			},
			"a replicated change": func() error {
				_, err := db.Write(t.Context(), []store.Edit{good, {Doc: replicated}}, store.WriteOptions{Replicated: true})
				return err
			},
			"a purge": func() error {
				_, _, err := db.Purge(t.Context(), []string{"a:1", "plain"}, [][]revtree.Rev{{}, {}})
				return err
			},
			"a read": func() error { _, err := db.Get(t.Context(), "plain", store.ReadOptions{}); return err },
			"revisions": func() error {
				_, err := db.OpenRevs(t.Context(), "plain", nil, store.ReadOptions{})
				return err
			},
			"many": func() error {
				return db.GetMany(t.Context(), []string{"a:1", "plain"}, store.ReadOptions{}, func(int, *store.Document, error) error { return nil }, nil)
			},
			"keys": func() error {
				_, err := db.DocsByKeys(t.Context(), store.KeysQuery{Keys: []string{"a:1", "plain"}}, func(int, *store.Row) error { return nil }, func() error { return nil })
				return err
			},
			"what is missing": func() error {
				return db.RevsDiff(t.Context(), []string{"a:1", "plain"}, [][]revtree.Rev{{}, {}}, func(int, []revtree.Rev, []revtree.Rev) error { return nil })
			},
		} {
			if _, bad := errors.AsType[*document.Error](do()); !bad {
				t.Errorf("%s is accepted", what)
			}
		}
		if info, err := db.Info(t.Context()); err != nil || info.DocCount != 1 || info.PurgeSeq != 0 {
			t.Errorf("%+v, %v", info, err)
		}
		for _, id := range []string{":x", "a:_x", "_x"} {
			if _, err := db.Get(t.Context(), id, store.ReadOptions{}); !errors.Is(err, store.ErrMissing) {
				t.Errorf("%s: %v", id, err)
			}
		}
		checkClean(t, t.Context(), db)
	})
}

// Like the database's, a partition's sizes count the attachments of all its leaves, and no others.
func TestPartitionSizes(t *testing.T) {
	eachEngineWith(t, store.Properties{Partitioned: true}, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		expect := func(what string, name string, want store.PartitionInfo) {
			t.Helper()
			got, err := db.PartitionInfo(t.Context(), name)
			if err != nil || got != want {
				t.Errorf("%s: partition %s is %+v, want %+v, %v", what, name, got, want, err)
			}
			checkClean(t, t.Context(), db)
		}
		rev, err := attach(t, db, revtree.Rev{}, "a:1", store.EditAttachment{Name: "f", Staged: stage(t, db, blob(1, 5000))}, store.EditAttachment{Name: "g", Staged: stage(t, db, blob(2, 100))})
		if err != nil {
			t.Fatal(err)
		}
		whole, err := db.PartitionInfo(t.Context(), "a")
		if err != nil || whole.External != 5100+2 || whole.Active <= whole.External || whole.DocCount != 1 {
			t.Errorf("%+v, %v", whole, err)
		}
		if info, err := db.Info(t.Context()); err != nil || info.External != whole.External || info.Active != whole.Active {
			t.Errorf("the database is %+v, %v", info, err)
		}
		expect("another", "b", store.PartitionInfo{})
		kept := store.EditAttachment{Name: "g", Digest: stage(t, db, blob(2, 100)).Digest, RevPos: 1}
		next, err := attach(t, db, rev, "a:1", kept)
		if err != nil {
			t.Fatal(err)
		}
		small, err := db.PartitionInfo(t.Context(), "a")
		if err != nil || small.External != 100+2 {
			t.Errorf("%+v, %v", small, err)
		}
		if err := db.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("compacted", "a", small)
		doc := parse(t, `{"_id":"a:1","_deleted":true}`)
		doc.Rev, doc.HasRev = next, true
		res, err := db.Put(t.Context(), store.Edit{Doc: doc}, store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expect("deleted", "a", store.PartitionInfo{DelCount: 1, External: 2, Active: 4})
		if _, _, err := db.Purge(t.Context(), []string{"a:1"}, [][]revtree.Rev{{res.Rev}}); err != nil {
			t.Fatal(err)
		}
		expect("purged", "a", store.PartitionInfo{})
	})
}

// Properties that are fixed at creation are there when the database is opened again. System
// databases cannot have them.
func TestPropertiesLast(t *testing.T) {
	dir := t.TempDir()
	var instance string
	for round := range 2 {
		eng := storetest.EngineIn(t, dir)
		s, err := store.Open(t.Context(), eng, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for name, partitioned := range map[string]bool{"parts": true, "plain": false} {
			if round == 0 {
				if err := s.CreateWith(t.Context(), name, store.Properties{Partitioned: partitioned}); err != nil {
					t.Fatal(err)
				}
			} else if err := s.CreateWith(t.Context(), name, store.Properties{Partitioned: !partitioned}); !errors.Is(err, store.ErrDBExists) {
				t.Errorf("%s: %v", name, err)
			}
			db, err := storetest.OpenDB(t.Context(), s, name)
			if err != nil {
				t.Fatal(err)
			}
			if db.Partitioned() != partitioned {
				t.Errorf("round %d: %s is partitioned: %v", round, name, !partitioned)
			}
			if name == "parts" {
				if round == 0 {
					instance = db.Instance()
				} else if instance != db.Instance() {
					t.Error("it is another database")
				}
			}
			if told := string(db.AppendInfo(nil, store.Info{})); strings.Contains(told, `"props":{"partitioned":true}`) != partitioned || strings.Contains(told, `"props":{}`) == partitioned {
				t.Errorf("%s", told)
			}
			db.Release()
		}
		for _, name := range []string{"_users", "_replicator", "_global_changes", "a/_users", "a/b/_replicator"} {
			if err := s.CreateWith(t.Context(), name, store.Properties{Partitioned: true}); !errors.Is(err, store.ErrSystemDB) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := errors.Join(s.Close(), eng.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// A range over a partition is cut at its edges, whatever the bounds, and its offset counts from the
// beginning of the database.
func TestPartitionRanges(t *testing.T) {
	eachEngineWith(t, store.Properties{Partitioned: true}, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		ids := []string{"_design/d", "a!:1", "a:1", "a:2", "a:3", "aa:1", "b:1"} // in the order of bytes
		for _, id := range ids {
			if _, err := write(t, db, revtree.Rev{}, `{"_id":%q}`, id); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			q      store.AllDocsQuery
			want   []string
			offset int
		}{
			{store.AllDocsQuery{}, ids[2:5], 2},
			{store.AllDocsQuery{Descending: true}, []string{"a:3", "a:2", "a:1"}, 2},
			{store.AllDocsQuery{Start: "a:2", HasStart: true}, ids[3:5], 3},
			{store.AllDocsQuery{Start: "_", HasStart: true, End: "zz", HasEnd: true}, ids[2:5], 2},
			{store.AllDocsQuery{Start: "b", HasStart: true}, nil, 6},
			{store.AllDocsQuery{End: "a", HasEnd: true}, nil, 2},
			{store.AllDocsQuery{Start: "b", HasStart: true, Descending: true}, []string{"a:3", "a:2", "a:1"}, 2},
			{store.AllDocsQuery{Skip: 2}, ids[4:5], 4},
			{store.AllDocsQuery{Skip: 9}, nil, 5},
		} {
			c.q.Partition, c.q.WantOffset, c.q.Limit = "a", true, -1
			var got []string
			offset := -1
			err := db.AllDocs(t.Context(), c.q, func(p store.Page) error {
				offset = p.Offset + p.Skipped
				if p.TotalRows != len(ids) {
					t.Errorf("%+v: %d rows", c.q, p.TotalRows)
				}
				return nil
			}, func(r *store.Row) error { got = append(got, string(r.ID)); return nil }, func() error { return nil })
			if err != nil || !slices.Equal(got, c.want) || offset != c.offset {
				t.Errorf("%+v: %q at %d, want %q at %d, %v", c.q, got, offset, c.want, c.offset, err)
			}
		}
	})
}

// The totals of many partitions share records. They are right however many of them one commit
// changes, and in whatever order partitions come and go.
func TestTotalsOfManyPartitions(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	eachEngineWith(t, store.Properties{Partitioned: true}, func(t *testing.T, open func(testing.TB) *store.DB) {
		storetest.SkipSlow(t, path.Base(t.Name()))
		db := open(t)
		defer db.Release()
		rnd := rand.New(rand.NewPCG(1, 2))
		name := func(i int) string { return strings.Repeat("p", 1+i%7*12) + fmt.Sprint(i%300) }
		want := map[string]uint64{}
		check := func() {
			t.Helper()
			for i := range 300 {
				info, err := db.PartitionInfo(t.Context(), name(i))
				if err != nil || info.DocCount != want[name(i)] {
					t.Fatalf("%q has %d documents, %v, want %d", name(i), info.DocCount, err, want[name(i)])
				}
			}
			checkClean(t, t.Context(), db)
		}
		var ids []string
		var revs [][]revtree.Rev
		for _, n := range []int{1, 400, 30, 1, 200} {
			var edits []store.Edit
			for range n {
				p := name(rnd.IntN(300))
				want[p]++
				edits = append(edits, store.Edit{Doc: parse(t, `{"_id":"%s:%d"}`, p, len(ids)+len(edits))})
			}
			for _, opt := range []store.WriteOptions{{}, {Atomic: true}} { // the second time all are conflicts
				results, err := db.Write(t.Context(), edits, opt)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					if !opt.Atomic {
						ids, revs = append(ids, r.ID), append(revs, []revtree.Rev{r.Rev})
					}
				}
			}
			check()
		}
		rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j], revs[i], revs[j] = ids[j], ids[i], revs[j], revs[i] })
		for len(ids) > 0 {
			n := min(250, len(ids))
			if _, _, err := db.Purge(t.Context(), ids[:n], revs[:n]); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids[:n] {
				want[strings.Split(id, ":")[0]]--
			}
			ids, revs = ids[n:], revs[n:]
			check()
		}
	})
}

// Check notices totals that are wrong, missing or too many.
func TestCheckRecountsPartitions(t *testing.T) {
	eng := storetest.Engine(t)
	s := storetest.On(t, eng, store.Options{})
	if err := s.CreateWith(t.Context(), "db", store.Properties{Partitioned: true}); err != nil {
		t.Fatal(err)
	}
	db, err := storetest.OpenDB(t.Context(), s, "db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	for _, id := range []string{"a:1", "b:1", "c:1"} {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":%q}`, id); err != nil {
			t.Fatal(err)
		}
	}
	checkClean(t, t.Context(), db)
	under, err := eng.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	const docs = engine.Space(2)
	err = under.Update(t.Context(), func(tx engine.Tx) error {
		v, err := tx.Get(docs, []byte("\xff"))
		n := (len(v) - 2) / 3
		record := func(names ...string) []byte {
			b := slices.Clone(v[:2])
			for _, name := range names {
				b = append(b, v[len(v)-n:]...)
				b[len(b)-n+1] = name[0]
			}
			return b
		}
		wrong := record("a", "c", "d") // without b
		wrong[4]++
		return errors.Join(err, tx.Put(docs, []byte("\xff"), wrong), tx.Put(docs, []byte("\xffcc"), record("x")), tx.Put(docs, []byte("\xffz"), []byte{1, 9}))
	})
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	if err := db.Check(t.Context(), func(p string) { problems = append(problems, p) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`the totals of partition "a" say`, `the totals of partition "b" say`, `at "\xffz"`, `totals of 4 partitions, and documents of 3`,
		`at "\xffcc", which the record before reaches`} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%q is not among %q", want, problems)
		}
	}
	if len(problems) != 5 {
		t.Errorf("%q", problems)
	}
}
