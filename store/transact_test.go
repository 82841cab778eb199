package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// editsOf makes edits of JSON documents, which may name their parents.
func editsOf(t *testing.T, docs ...string) (edits []store.Edit) {
	t.Helper()
	for _, doc := range docs {
		edits = append(edits, store.Edit{Doc: parse(t, "%s", doc)})
	}
	return edits
}

func revOf(t testing.TB, db *store.DB, id string) string {
	t.Helper()
	d, err := db.Get(context.WithoutCancel(t.Context()), id, store.ReadOptions{Deleted: true})
	if errors.Is(err, store.ErrMissing) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.Rev.String()
}

func TestAtomicWrite(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		atomic := store.WriteOptions{Atomic: true}
		res, err := db.Write(t.Context(), editsOf(t, `{"_id":"a"}`, `{"_id":"c"}`, `{"_id":"b"}`, `{"_id":"_local/l"}`), atomic)
		if err != nil || res[0].Err != nil || res[1].Err != nil || res[2].Err != nil || res[3].Err != nil {
			t.Fatalf("%v %v", res, err)
		}
		a, b := res[0].Rev.String(), res[2].Rev.String()
		before, err := db.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Two of these conflict, and one edits a document a second time.
		res, err = db.Write(t.Context(), editsOf(t, `{"_id":"a","_rev":"`+a+`","v":2}`, `{"_id":"b","v":2}`, `{"_id":"n"}`, `{"_id":"n","v":2}`, `{"_id":"_local/l","v":2}`), atomic)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []error{store.ErrNotWritten, store.ErrConflict, store.ErrNotWritten, store.ErrConflict, store.ErrNotWritten} {
			if !errors.Is(res[i].Err, want) {
				t.Errorf("document %d: %v, want %v", i, res[i].Err, want)
			}
		}
		after, err := db.Info(t.Context())
		if err != nil || after != before || revOf(t, db, "a") != a || revOf(t, db, "n") != "" {
			t.Errorf("something was written: %+v, %v", after, err)
		}
		if l, err := db.GetLocal(t.Context(), "_local/l"); err != nil || string(l.Body) != "{}" {
			t.Errorf("the local document was written: %s, %v", l.Body, err)
		}
		res, err = db.Write(t.Context(), editsOf(t, `{"_id":"a","_rev":"`+a+`","v":2}`, `{"_id":"b","_rev":"`+b+`","_deleted":true}`), atomic)
		if err != nil || res[0].Err != nil || res[1].Err != nil || revOf(t, db, "a") != res[0].Rev.String() || revOf(t, db, "b") != res[1].Rev.String() {
			t.Errorf("%v %v", res, err)
		}
		// A refusal before the transaction counts too.
		res, err = db.Write(t.Context(), editsOf(t, `{"_id":"x"}`, `{"_id":"`+strings.Repeat("y", testIDLength+1)+`"}`), atomic)
		if err != nil || !errors.Is(res[0].Err, store.ErrNotWritten) || !errors.Is(res[1].Err, store.ErrIDTooLong) || revOf(t, db, "x") != "" {
			t.Errorf("%v %v", res, err)
		}
		var many []store.Edit
		for range 10_001 {
			many = append(many, editsOf(t, `{"_id":"m"}`)...)
		}
		if _, err = db.Write(t.Context(), many, atomic); !errors.Is(err, store.ErrTransactionTooLarge) || revOf(t, db, "m") != "" {
			t.Errorf("too many: %v", err)
		}
		checkClean(t, t.Context(), db)
	})
}

// An edit that a guard refuses makes the whole Write fail, and edits that it accepts are
// written together.
func TestAtomicWriteIsGuarded(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) *store.DB) {
		no := errors.New("no")
		db := open(t).Guarded(&store.Guard{Write: func(_ context.Context, _ store.Standing, e *store.Edit, _ store.WriteOptions) error {
			if e.Doc.ID == "b" {
				return no
			}
			return nil
		}})
		defer db.Release()
		res, err := db.Write(t.Context(), editsOf(t, `{"_id":"a"}`, `{"_id":"b"}`), store.WriteOptions{Atomic: true})
		if err != nil || !errors.Is(res[0].Err, store.ErrNotWritten) || !errors.Is(res[1].Err, no) || revOf(t, db, "a") != "" {
			t.Errorf("%v %v", res, err)
		}
		if res, err = db.Write(t.Context(), editsOf(t, `{"_id":"a"}`, `{"_id":"c"}`), store.WriteOptions{Atomic: true}); err != nil || res[0].Err != nil || res[1].Err != nil {
			t.Errorf("%v %v", res, err)
		}
	})
}

// Writers move two counters together, each from the values that it read. They never see one moved
// without the other, and no move is lost.
func TestAtomicWritersRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		if _, err := db.Write(t.Context(), editsOf(t, `{"_id":"a","n":0}`, `{"_id":"b","n":0}`), store.WriteOptions{Atomic: true}); err != nil {
			t.Fatal(err)
		}
		const writers, moves = 4, 15
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for done := 0; done < moves; {
					info, err := db.Info(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					edits := editsOf(t, nextCount(t, db, "b"), nextCount(t, db, "a"))
					opt := store.WriteOptions{Atomic: true}
					if w%2 == 1 {
						opt.Unchanged = &info.UpdateSeq // then any revisions that were read will do
					}
					res, err := db.Write(t.Context(), edits, opt)
					var changed *store.Changed
					switch {
					case errors.As(err, &changed):
					case err != nil:
						t.Error(err)
						return
					case res[0].Err == nil && res[1].Err == nil:
						done++
					case res[0].Err == nil || res[1].Err == nil:
						t.Errorf("half was refused: %v", res)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, id := range []string{"a", "b"} {
			d, err := db.Get(t.Context(), id, store.ReadOptions{})
			if want := fmt.Sprintf(`{"n":%d}`, writers*moves); err != nil || string(d.Body) != want {
				t.Errorf("%s is %s, %v, want %s", id, d.Body, err, want)
			}
		}
		checkClean(t, t.Context(), db)
	})
}

func nextCount(t *testing.T, db *store.DB, id string) string {
	d, err := db.Get(t.Context(), id, store.ReadOptions{})
	if err != nil {
		t.Error(err)
		return ""
	}
	n := 0
	fmt.Sscanf(string(d.Body), `{"n":%d}`, &n)
	return fmt.Sprintf(`{"_id":%q,"_rev":%q,"n":%d}`, id, d.Rev, n+1)
}

func TestWriteUnlessChanged(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		at := func(seq uint64, docs ...string) ([]store.Result, error) {
			return db.Write(t.Context(), editsOf(t, docs...), store.WriteOptions{Unchanged: &seq})
		}
		if _, err := at(0, `{"_id":"a"}`); err != nil {
			t.Error(err)
		}
		_, err := at(0, `{"_id":"b"}`)
		var changed *store.Changed
		if !errors.As(err, &changed) || changed.Seq.N != 1 || revOf(t, db, "b") != "" {
			t.Errorf("written at 1 though it was 0: %v", err)
		}
		if res, err := at(1, `{"_id":"b"}`, `{"_id":"a"}`); err != nil || res[0].Err != nil || !errors.Is(res[1].Err, store.ErrConflict) {
			t.Errorf("%v %v", res, err)
		}
		if _, err := at(7, `{"_id":"c"}`); !errors.As(err, &changed) {
			t.Errorf("a sequence that is not there yet: %v", err)
		}
	})
}

// A write that is repeated with its key is done once and answers as before, even if many clients
// send it at once.
func TestOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) *store.DB) {
		db := open(t)
		defer db.Release()
		once := func(key, print string) *store.Once {
			return &store.Once{Key: sha256.Sum256([]byte(key)), Fingerprint: sha256.Sum256([]byte(print)), Answer: func(res []store.Result, err error) []byte {
				return fmt.Appendf(nil, "%s %v %v%s", res[0].Rev, res[0].Err, err, strings.Repeat(".", 2000))
			}}
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers, firsts := map[string]int{}, 0
		for range 8 {
			wg.Go(func() {
				o := once("k", "p")
				res, err := db.Write(t.Context(), editsOf(t, `{"_id":"a","v":1}`), store.WriteOptions{Once: o})
				var again *store.Repeated
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.As(err, &again):
					answers[string(again.Answer)]++
				case err == nil:
					firsts++
					answers[string(o.Answer(res, nil))]++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		info, err := db.Info(t.Context())
		if err != nil || len(answers) != 1 || firsts != 1 && firsts != 0 || info.UpdateSeq != 1 {
			t.Errorf("%d were the first, %d answers, %d changes, %v", firsts, len(answers), info.UpdateSeq, err)
		}
		if _, err := db.Write(t.Context(), editsOf(t, `{"_id":"b"}`), store.WriteOptions{Once: once("k", "q")}); !errors.Is(err, store.ErrOtherRequest) || revOf(t, db, "b") != "" {
			t.Errorf("another request: %v", err)
		}
		// A refusal is remembered too.
		if _, err := db.Write(t.Context(), editsOf(t, `{"_id":"a"}`), store.WriteOptions{Once: once("l", "p")}); err != nil {
			var again *store.Repeated
			if !errors.As(err, &again) {
				t.Error(err)
			}
		}
		found, err := db.Repeated(t.Context(), sha256.Sum256([]byte("l")))
		if err != nil || found == nil || !strings.Contains(string(found.Answer), store.ErrConflict.Error()) {
			t.Errorf("%v %v", found, err)
		}
		if found, err := db.Repeated(t.Context(), sha256.Sum256([]byte("other"))); found != nil || err != nil {
			t.Errorf("%v %v", found, err)
		}
		checkClean(t, t.Context(), db)
	})
}

// No more than 64 MiB of answers are kept: the oldest go.
func TestOnceIsBounded(t *testing.T) {
	widetest.Only(t)
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	random := rand.NewChaCha8([32]byte{1})
	const answers = 70
	for i := range answers {
		o := &store.Once{Key: sha256.Sum256([]byte{byte(i)}), Answer: func([]store.Result, error) []byte {
			b := make([]byte, 1<<20)
			random.Read(b)
			return b
		}}
		if _, err := db.Write(t.Context(), editsOf(t, fmt.Sprintf(`{"_id":"d%d"}`, i)), store.WriteOptions{Once: o}); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for i := range answers {
		found, err := db.Repeated(t.Context(), sha256.Sum256([]byte{byte(i)}))
		switch {
		case err != nil:
			t.Fatal(err)
		case found != nil:
			kept++
		case kept > 0:
			t.Errorf("answer %d is gone, and an older one is there", i)
		}
	}
	if kept < 60 || kept > 65 {
		t.Errorf("%d answers of 1 MiB are kept", kept)
	}
	checkClean(t, t.Context(), db)
}

// Answers are kept for a day, over restarts, and then make room.
func TestOnceIsForgotten(t *testing.T) {
	c := newHandClock()
	s := storetest.Open(t, store.Options{Clock: c.now})
	db := storetest.DB(t, s, "db")
	do := func(key string) error {
		o := &store.Once{Key: sha256.Sum256([]byte(key)), Answer: func([]store.Result, error) []byte { return []byte(key) }}
		_, err := db.Write(t.Context(), editsOf(t, `{"_id":"a`+key+`"}`), store.WriteOptions{Once: o})
		return err
	}
	known := func(key string) bool {
		found, err := db.Repeated(t.Context(), sha256.Sum256([]byte(key)))
		if err != nil {
			t.Fatal(err)
		}
		return found != nil
	}
	for i := range 100 {
		if err := do(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.forward(24*time.Hour - time.Second)
	var again *store.Repeated
	if err := do("7"); !errors.As(err, &again) || string(again.Answer) != "7" {
		t.Errorf("after a day less a second: %v", err)
	}
	c.forward(time.Second)
	if known("7") {
		t.Error("it is known after a day")
	}
	if err := do("7"); err != nil { // the document is there: a conflict, not a repetition
		t.Errorf("after a day: %v", err)
	}
	for i := range 5 {
		if err := do(fmt.Sprint("later", i)); err != nil {
			t.Fatal(err)
		}
		checkClean(t, t.Context(), db)
	}
	if !known("7") || !known("later0") || known("99") {
		t.Errorf("known: %t %t %t", known("7"), known("later0"), known("99"))
	}
	if _, err := write(t, db, revtree.Rev{}, `{"_id":"z"}`); err != nil {
		t.Fatal(err)
	}
}
