package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// branch writes a replicated revision.
func branch(t testing.TB, db *store.DB, id, body string, path ...string) {
	t.Helper()
	doc := parse(t, `{"_id":%q,%s`, id, body[1:])
	for _, rev := range path {
		r, err := revtree.Parse(rev)
		if err != nil {
			t.Fatal(err)
		}
		doc.Path = append(doc.Path, r)
	}
	doc.Rev, doc.HasRev = doc.Path[0], true
	if _, err := db.Put(t.Context(), store.Edit{Doc: doc}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
}

// split brings a document into conflict.
func split(t testing.TB, db *store.DB, id string) {
	t.Helper()
	branch(t, db, id, `{"at":"first"}`, "1-first")
	branch(t, db, id, `{"at":"left"}`, "2-left", "1-first")
	branch(t, db, id, `{"at":"right"}`, "2-right", "1-first")
}

// inConflict lists documents in conflict, each as ID WINNER LEAF<ANCESTOR.
func inConflict(t testing.TB, db *store.DB) (list []string) {
	t.Helper()
	_, err := db.Changes(t.Context(), store.ChangesQuery{InConflict: true, Limit: -1}, func(c *store.Change) error {
		line := fmt.Sprintf("%s %s", c.ID, c.Revs[0])
		for i, r := range c.Revs[1:] {
			line += fmt.Sprintf(" %s<%s", r, c.Ancestors[i])
		}
		list = append(list, line)
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func checkIsClean(t *testing.T, db *store.DB) {
	t.Helper()
	if err := db.Check(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

// A database of a release that kept no conflicts has them found by the first who asks. Writers go on
// meanwhile, and what is cut short by a stop goes on after it.
func TestConflictsOfAnOlderDatabase(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	var armed atomic.Bool
	looking, goOn := make(chan struct{}), make(chan struct{})
	e := chaos.New(chaos.Options{Alone: true, Scanning: func(s engine.Space, rg engine.Range) {
		// The seq space is looked through from its beginning, and then on: the second time something is
		// noted already.
		if s == 3 && rg.To != nil && bytes.Compare(rg.From, []byte{0, 0, 0, 0, 0, 0, 2}) > 0 && armed.CompareAndSwap(true, false) {
			close(looking)
			<-goOn
		}
	}})
	s := storetest.On(t, e, store.Options{})
	db := storetest.DB(t, s, "db")
	want := []string{}
	for i := range 800 {
		id := fmt.Sprintf("d%04d", i)
		if split(t, db, id); i%2 == 1 { // no conflict after all
			branch(t, db, id, `{"_deleted":true}`, "3-gone", "2-left")
			continue
		}
		want = append(want, id+" 2-right 2-left<1-first")
	}
	if got := inConflict(t, db); !slices.Equal(got, want) {
		t.Fatalf("%d are in conflict, want %d", len(got), len(want))
	}
	for name, age := range map[string]func(context.Context) error{"no note": db.ForgetConflicts, "written to in between": db.OlderWriter} {
		if err := age(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkIsClean(t, db)
		if got := inConflict(t, db); !slices.Equal(got, want) {
			t.Fatalf("%s: %d are in conflict, want %d", name, len(got), len(want))
		}
		checkIsClean(t, db)
	}
	if err := db.ForgetConflicts(t.Context()); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	counted := make(chan error, 1)
	go func() {
		_, err := db.ConflictCount(context.WithoutCancel(t.Context()))
		counted <- err
	}()
	select {
	case <-looking:
	case <-time.After(time.Minute):
		t.Fatal("nobody looks")
	}
	enough := errors.New("called twice") // a feed sends heartbeats then
	calls := 0
	if err := db.AwaitConflicts(t.Context(), func() error {
		if calls++; calls == 2 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Errorf("whoever waits is told %v", err)
	}
	branch(t, db, "d0000", `{"_deleted":true}`, "3-gone", "2-left") // looked at already
	branch(t, db, "d0798", `{"at":"further"}`, "3-further", "2-left")
	split(t, db, "new")
	want = append(want[1:len(want)-1], "d0798 3-further 2-right<1-first", "new 2-right 2-left<1-first")
	checkIsClean(t, db)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-db.Gone()
	close(goOn)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := <-counted; err == nil {
		t.Error("a count that was cut short")
	}
	db = storetest.DB(t, storetest.On(t, e, store.Options{}), "db")
	checkIsClean(t, db)
	if got := inConflict(t, db); !slices.Equal(got, want) {
		t.Errorf("%d are in conflict, want %d\n%q", len(got), len(want), got)
	}
}

// Who waits for conflicts to be found is told when that has failed, though somebody else has it tried again meanwhile.
func TestTheNextSearchForConflictsIsAnother(t *testing.T) {
	t.Parallel()
	looking, goOn := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	e := chaos.New(chaos.Options{Alone: true, Scanning: func(s engine.Space, rg engine.Range) {
		if s == 3 && rg.To != nil && armed.CompareAndSwap(true, false) {
			looking <- struct{}{}
			<-goOn
		}
	}})
	db := storetest.DB(t, storetest.On(t, e, store.Options{}), "db")
	split(t, db, "d")
	if err := db.ForgetConflicts(t.Context()); err != nil {
		t.Fatal(err)
	}
	await := func(waiting func() error) <-chan error {
		armed.Store(true)
		ended := make(chan error, 1)
		go func() { ended <- db.AwaitConflicts(t.Context(), waiting) }()
		<-looking
		return ended
	}
	waits, late := make(chan struct{}), make(chan struct{})
	first := await(sync.OnceValue(func() error {
		close(waits)
		<-late
		return nil
	}))
	<-waits
	e.Away(0)
	goOn <- struct{}{}
	for end := time.Now().Add(time.Minute); db.SeeksConflicts(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the search does not fail")
		}
	}
	e.Calm()
	second := await(func() error { return nil })
	close(late)
	if err := <-first; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
	goOn <- struct{}{}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// Compaction keeps what a merge needs, and drops it once the conflict is over.
func TestCompactionKeepsCommonAncestors(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	large := strings.Repeat("much ", 100)
	for _, path := range [][]string{{"1-a"}, {"2-b", "1-a"}, {"3-c", "2-b"}, {"4-x", "3-c"}, {"4-y", "3-c"}, {"2-z", "1-a"}, {"3-z", "2-z"}} {
		branch(t, db, "doc", fmt.Sprintf(`{"at":%q,"text":%q}`, path[0], large), path...)
	}
	bodies := func() (have []string) {
		for _, rev := range []string{"1-a", "2-b", "3-c", "4-x", "4-y", "2-z", "3-z", "5-m", "4-gone"} {
			r, _ := revtree.Parse(rev)
			if _, err := db.Get(t.Context(), "doc", store.ReadOptions{Rev: r}); err == nil {
				have = append(have, rev)
			}
		}
		return have
	}
	compact := func(want ...string) {
		t.Helper()
		if err := db.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := bodies(); !slices.Equal(got, want) {
			t.Errorf("there are bodies of %q, want %q", got, want)
		}
		checkSuperseded(t, t.Context(), db)
		if u, err := db.Usage(t.Context()); err != nil || u.Superseded != 0 {
			t.Errorf("after a compaction, another one would drop %d bytes, %v", u.Superseded, err)
		}
		checkIsClean(t, db)
	}
	compact("1-a", "3-c", "4-x", "4-y", "3-z") // three leaves, and two revisions at which they part
	doc, err := db.Get(t.Context(), "doc", store.ReadOptions{RevsInfo: true})
	if err != nil {
		t.Fatal(err)
	}
	info := fmt.Sprint(doc.RevsInfo)
	if want := "[{4-y available} {3-c available} {2-b missing} {1-a available}]"; info != want {
		t.Errorf("%s, want %s", info, want)
	}
	branch(t, db, "doc", `{"_deleted":true}`, "4-gone", "3-z")
	compact("3-c", "4-x", "4-y", "4-gone")
	branch(t, db, "doc", `{"at":"5-m"}`, "5-m", "4-y")
	branch(t, db, "doc", `{"_deleted":true}`, "5-gone", "4-x")
	compact("5-m", "4-gone")
	if err := db.SetRevsLimit(t.Context(), 1); err != nil { // an ancestor that is forgotten is not kept
		t.Fatal(err)
	}
	split(t, db, "short")
	compact("5-m", "4-gone")
	if got := inConflict(t, db); !slices.Equal(got, []string{"short 2-right 2-left<0-"}) {
		t.Errorf("%q", got)
	}
}

// What a handle hides is no conflict for whoever has it.
func TestHiddenLeavesAreNoConflict(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Options{})
	all := storetest.DB(t, s, "db")
	branch(t, all, "three", `{"at":"first"}`, "1-first")
	branch(t, all, "three", `{"at":"second"}`, "2-second", "1-first")
	branch(t, all, "three", `{"at":"a"}`, "3-a", "2-second")
	branch(t, all, "three", `{"at":"b"}`, "3-b", "2-second")
	branch(t, all, "three", `{"at":"hidden"}`, "4-z", "3-z", "2-z", "1-first")
	split(t, all, "two")
	db := storetest.DB(t, s, "db").Guarded(&store.Guard{Read: func(d *store.Document) (bool, error) {
		return !strings.Contains(string(d.Body), "hidden") && !strings.Contains(string(d.Body), "left"), nil
	}})
	if got := inConflict(t, db); !slices.Equal(got, []string{"three 3-b 3-a<2-second"}) {
		t.Errorf("%q", got)
	}
	split(t, all, "more")
	if n, err := db.ConflictCount(t.Context()); n != 1 || err != nil {
		t.Errorf("%d conflicts are shown, %v", n, err)
	}
	for _, limit := range []int{0, 1} {
		end, err := db.Changes(t.Context(), store.ChangesQuery{InConflict: true, Limit: limit}, func(*store.Change) error { return nil }, func() error { return nil })
		if err != nil || end.Pending != 1-limit || end.Seen != limit {
			t.Errorf("with limit %d: %+v, %v", limit, end, err)
		}
	}
	end, err := db.Changes(t.Context(), store.ChangesQuery{InConflict: true, Limit: -1, Descending: true}, func(*store.Change) error { return nil }, func() error { return nil })
	if err != nil || end.Seen != 1 {
		t.Errorf("%+v, %v", end, err)
	}
	b, err := db.Branches(t.Context(), "two")
	if err != nil || fmt.Sprint(b.Revs) != "[2-right]" {
		t.Errorf("%v, %v", b, err)
	}
	if b, err = all.Branches(t.Context(), "three"); err != nil || fmt.Sprint(b.Revs, b.Ancestors) != "[4-z 3-b 3-a] [1-first 1-first]" {
		t.Errorf("%v, %v", b, err)
	}
}

type largestRead struct{ bytes int64 }

func (l *largestRead) Take(_ context.Context, bytes int64) error {
	l.bytes = max(l.bytes, bytes)
	return nil
}

// Whoever may see some documents only is told of a document with many large leaves without all of them
// in memory at once.
func TestHiddenLeavesAreJudgedOneByOne(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Options{})
	all := storetest.DB(t, s, "db")
	const size = 1 << 20
	branch(t, all, "d", `{"at":"first"}`, "1-first")
	for i := range 5 {
		branch(t, all, "d", fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", size)), fmt.Sprintf("2-%d", i), "1-first")
	}
	db := storetest.DB(t, s, "db").Guarded(&store.Guard{Read: func(d *store.Document) (bool, error) {
		return !strings.Contains(string(d.Body), `"n":3`), nil
	}})
	for _, q := range []store.ChangesQuery{{InConflict: true, Limit: -1}, {AllLeaves: true, Limit: -1}} {
		var room largestRead
		var revs string
		_, err := db.Changes(store.WithRoom(t.Context(), &room), q, func(c *store.Change) error {
			revs += fmt.Sprint(c.Revs)
			return nil
		}, func() error { return nil })
		if err != nil || revs != "[2-4 2-2 2-1 2-0]" {
			t.Errorf("%s, %v", revs, err)
		}
		if room.bytes == 0 || room.bytes > size+100 {
			t.Errorf("%d bytes were read at once, and a leaf has %d", room.bytes, size)
		}
	}
}
