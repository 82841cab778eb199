package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// branched makes a document whose winner is 2-bb, with a conflict 2-aa and a deleted leaf
// 2-00, all over 1-aa.
func branched(t *testing.T, db *store.DB) {
	t.Helper()
	edits := editsOf(t, `{"_id":"d","_rev":"1-aa","n":1}`, `{"_id":"d","_revisions":{"start":2,"ids":["aa","aa"]},"n":2}`,
		`{"_id":"d","_revisions":{"start":2,"ids":["bb","aa"]},"n":3}`, `{"_id":"d","_deleted":true,"_revisions":{"start":2,"ids":["00","aa"]}}`)
	res, err := db.Write(t.Context(), edits, store.WriteOptions{Replicated: true})
	if err != nil || slices.ContainsFunc(res, func(r store.Result) bool { return r.Err != nil }) {
		t.Fatal(res, err)
	}
}

// A guard judges an edit by the winner and every living leaf, whatever the edit names.
func TestWhatAGuardJudgesBy(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	branched(t, db)
	write(t, db, revtree.Rev{}, `{"_id":"gone","_deleted":true,"was":1}`)
	var saw []string
	guarded := storetest.DB(t, s, "db").Guarded(&store.Guard{Write: func(_ context.Context, now store.Standing, _ *store.Edit, _ store.WriteOptions) error {
		saw = nil
		for _, d := range now.Docs {
			saw = append(saw, d.Rev.String()+string(d.Body))
		}
		return errRefused
	}})
	for _, c := range []struct {
		doc        string
		replicated bool
		want       string
	}{
		{`{"_id":"new"}`, false, ""},
		{`{"_id":"new","_rev":"4-a"}`, true, ""},
		{`{"_id":"_local/d"}`, false, ""},
		{`{"_id":"d","_rev":"2-bb"}`, false, `2-bb{"n":3} 2-aa{"n":2}`},
		{`{"_id":"d","_rev":"2-aa"}`, false, `2-aa{"n":2} 2-bb{"n":3}`},
		{`{"_id":"d","_rev":"1-aa"}`, false, `1-aa{"n":1}`}, // it conflicts
		{`{"_id":"d"}`, false, ``},                          // so does this
		{`{"_id":"d","_rev":"9-a"}`, true, `2-bb{"n":3} 2-aa{"n":2}`},
		{`{"_id":"d","_revisions":{"start":9,"ids":["9","8","7"]}}`, true, `2-bb{"n":3} 2-aa{"n":2}`},
		{`{"_id":"d","_revisions":{"start":2,"ids":["cc","aa"]}}`, true, `1-aa{"n":1} 2-bb{"n":3} 2-aa{"n":2}`},
		{`{"_id":"d","_revisions":{"start":3,"ids":["cc","00","aa"]}}`, true, `2-00{} 2-bb{"n":3} 2-aa{"n":2}`},
		{`{"_id":"d","_deleted":true,"_revisions":{"start":3,"ids":["cc","aa","aa"]}}`, true, `2-aa{"n":2} 2-bb{"n":3}`},
		{`{"_id":"gone"}`, false, `1-x{"was":1}`},
		{`{"_id":"gone","_rev":"1-b"}`, true, `1-x{"was":1}`},
	} {
		res, err := guarded.Write(t.Context(), editsOf(t, c.doc), store.WriteOptions{Replicated: c.replicated})
		got := strings.Join(saw, " ")
		if strings.Contains(c.doc, "gone") { // whatever its revision is
			got = "1-x" + got[strings.Index(got, "{"):]
		}
		if err != nil || res[0].Err != errRefused || got != c.want {
			t.Errorf("%s: by %s, want %s; %v %v", c.doc, got, c.want, res, err)
		}
	}
}

// If the revisions by which an edit was judged change before it is written, the original edit is
// judged again.
func TestAGuardsJudgementHolds(t *testing.T) {
	once := &store.Once{Key: [32]byte{1}, Answer: func([]store.Result, error) []byte { return []byte("{}") }}
	for name, opt := range map[string]store.WriteOptions{
		"interactive": {}, "replicated": {Replicated: true}, "atomic": {Atomic: true}, "once": {Once: once},
	} {
		for change, with := range map[string]func(*testing.T, *store.DB){
			"a new leaf": func(t *testing.T, db *store.DB) {
				if _, err := db.Write(t.Context(), editsOf(t, `{"_id":"d","_rev":"1-zz","leaf":1}`), store.WriteOptions{Replicated: true}); err != nil {
					t.Error(err)
				}
			},
			"an administrator no more": func(t *testing.T, db *store.DB) {
				if err := db.SetSecurity(t.Context(), []byte(`{"not":1}`)); err != nil {
					t.Error(err)
				}
			},
		} {
			t.Run(name+", "+change, func(t *testing.T) {
				db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
				if err := db.SetSecurity(t.Context(), []byte(`{}`)); err != nil {
					t.Fatal(err)
				}
				judged := 0
				g := adminsOnly(nil)
				g.Write = func(_ context.Context, now store.Standing, e *store.Edit, _ store.WriteOptions) error {
					judged++
					if string(e.Doc.Body) != `{"n":1}` {
						t.Errorf("judged is %s", e.Doc.Body)
					}
					if len(now.Docs) > 0 || !now.Admin {
						return errRefused
					}
					with(t, db)
					return e.Doc.SetBody([]byte(`{"n":2}`))
				}
				res, err := db.Guarded(g).Write(t.Context(), editsOf(t, `{"_id":"d","_rev":"1-aa","n":1}`), opt)
				want := errRefused
				if change == "a new leaf" && !opt.Replicated {
					want = store.ErrConflict
				}
				if err != nil || !errors.Is(res[0].Err, want) || judged != 2 {
					t.Errorf("%v, %v, judged %d times", res, err, judged)
				}
				if d, err := db.Get(t.Context(), "d", store.ReadOptions{}); err == nil && string(d.Body) != `{"leaf":1}` {
					t.Errorf("written was %s", d.Body)
				}
			})
		}
	}
}

// An edit judged as a conflict stays one, even if another edit of its request makes the
// revision it names.
func TestAnEditThatConflictsIsNotWritten(t *testing.T) {
	for name, opt := range map[string]store.WriteOptions{"one by one": {}, "atomic": {Atomic: true}} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Open(t, store.Options{})
			db := storetest.DB(t, s, "db")
			first, _ := write(t, db, revtree.Rev{}, `{"_id":"d","n":1}`)
			probe := storetest.DB(t, s, "probe")
			write(t, probe, revtree.Rev{}, `{"_id":"d","n":1}`)
			second, _ := write(t, probe, first, `{"_id":"d","n":2}`)
			guarded := storetest.DB(t, s, "db").Guarded(&store.Guard{Write: func(_ context.Context, now store.Standing, e *store.Edit, _ store.WriteOptions) error {
				if len(now.Docs) == 0 {
					return nil // open to anybody
				}
				if string(e.Doc.Body) == `{"n":3}` {
					return errRefused
				}
				return nil
			}})
			res, err := guarded.Write(t.Context(), editsOf(t, fmt.Sprintf(`{"_id":"d","_rev":%q,"n":2}`, first), fmt.Sprintf(`{"_id":"d","_rev":%q,"n":3}`, second)), opt)
			if err != nil || !errors.Is(res[1].Err, store.ErrConflict) {
				t.Errorf("%v, %v", res, err)
			}
			if d, err := db.Get(t.Context(), "d", store.ReadOptions{}); err != nil || string(d.Body) == `{"n":3}` {
				t.Errorf("%s, %v", d.Body, err)
			}
		})
	}
}
