package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// adminsOnly is a guard that accepts administrators only while the security object is "{}".
// Before its first answer it calls first.
func adminsOnly(first func()) *store.Guard {
	return &store.Guard{Admin: func(security []byte) error {
		is := string(security) == "{}"
		if first != nil {
			change := first
			first = nil
			change()
		}
		if !is {
			return errRefused
		}
		return nil
	}}
}

// Only administrators write design documents. What counts is the security object when the edit
// is written, not when the handle was opened or the edit was checked.
func TestDesignDocumentsAreAdministrators(t *testing.T) {
	for name, opt := range map[string]store.WriteOptions{
		"one by one": {}, "replicated": {Replicated: true}, "atomic": {Atomic: true},
	} {
		t.Run(name, func(t *testing.T) {
			db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
			rev := ""
			if opt.Replicated {
				rev = `,"_rev":"1-a"`
			}
			security := func(s string) {
				t.Helper()
				if err := db.SetSecurity(t.Context(), []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			write := func(g *store.Guard, doc string) error {
				t.Helper()
				res, err := db.Guarded(g).Write(t.Context(), []store.Edit{{Doc: parse(t, "%s", doc)}}, opt)
				if err != nil {
					t.Fatal(err)
				}
				return res[0].Err
			}
			security(`{}`)
			if err := write(adminsOnly(nil), `{"_id":"_design/a"`+rev+`}`); err != nil {
				t.Errorf("an administrator: %v", err)
			}
			if err := write(adminsOnly(func() { security(`{"not":1}`) }), `{"_id":"_design/b"`+rev+`}`); err != errRefused {
				t.Errorf("one who stopped being one just before the write: %v", err)
			}
			if err := write(adminsOnly(nil), `{"_id":"_design/c"`+rev+`}`); err != errRefused {
				t.Errorf("somebody else: %v", err)
			}
			if err := write(adminsOnly(nil), `{"_id":"plain"`+rev+`}`); err != nil {
				t.Errorf("an ordinary document: %v", err)
			}
			if err := db.Guarded(adminsOnly(nil)).MayEdit(t.Context(), "_design/a"); err != errRefused {
				t.Errorf("asked before there is an edit: %v", err)
			}
			for id, there := range map[string]bool{"_design/a": true, "_design/b": false, "_design/c": false, "plain": true} {
				if _, err := db.Get(t.Context(), id, store.ReadOptions{}); errors.Is(err, store.ErrMissing) == there {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
}

// Limits, the security object and purges are for administrators, as the security object
// stands at that moment.
func TestSettingsAreAdministrators(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	a, _ := write(t, db, revtree.Rev{}, `{"_id":"a"}`)
	for _, c := range []struct {
		security string
		want     error
	}{{`{"not":1}`, errRefused}, {`{}`, nil}} {
		security, want := c.security, c.want
		if err := db.SetSecurity(t.Context(), []byte(security)); err != nil {
			t.Fatal(err)
		}
		before, err := db.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		guarded := db.Guarded(adminsOnly(nil))
		for name, err := range map[string]error{
			"the revs limit":      guarded.SetRevsLimit(t.Context(), 7),
			"the purges' limit":   guarded.SetPurgedInfosLimit(t.Context(), 7),
			"the security object": guarded.SetSecurity(t.Context(), []byte(`{}`)),
		} {
			if err != want {
				t.Errorf("%s, under %s: %v", name, security, err)
			}
		}
		if _, _, err := guarded.Purge(t.Context(), []string{"a"}, [][]revtree.Rev{{a}}); err != want {
			t.Errorf("a purge, under %s: %v", security, err)
		}
		limit, err := db.RevsLimit(t.Context())
		if after, e := db.Info(t.Context()); want != nil && (after != before || limit == 7 || errors.Join(err, e) != nil) {
			t.Errorf("something has changed: %+v, limit %d, %v", after, limit, err)
		}
	}
}

// An edit that could not be judged is not refused: the write fails, and nothing of it is
// stored.
func TestAnEditThatCouldNotBeJudged(t *testing.T) {
	busy := errors.New("busy")
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db").Guarded(&store.Guard{Write: func(_ context.Context, _ store.Standing, e *store.Edit, _ store.WriteOptions) error {
		if e.Doc.ID == "b" {
			return fmt.Errorf("hashing: %w", &store.Unjudged{Err: busy})
		}
		return nil
	}})
	for _, replicated := range []bool{false, true} {
		var edits []store.Edit
		for _, id := range []string{"a", "b"} {
			var e store.Edit
			e.Doc.ID, e.Doc.Body = id, []byte("{}")
			if replicated {
				e.Doc.Rev = revtree.Rev{Gen: 1, ID: "a"}
			}
			edits = append(edits, e)
		}
		if _, err := db.Write(t.Context(), edits, store.WriteOptions{Replicated: replicated}); !errors.Is(err, busy) {
			t.Errorf("replicated %t: %v", replicated, err)
		}
		if _, err := db.Get(t.Context(), "a", store.ReadOptions{}); !errors.Is(err, store.ErrMissing) {
			t.Errorf("replicated %t: the other one: %v", replicated, err)
		}
	}
}
