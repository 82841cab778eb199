package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Peers edit the same documents, replicate now and then, sleep as long as they like, and let their
// tombstones end after different times, or never. When all have replicated with all, each peer
// holds exactly the living leaves of one tree of all revisions ever made. So only edits bring
// documents back, and no edit is lost.
func TestPeersAgreeWhoseTombstonesEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := newHandClock()
		s, err := store.Open(t.Context(), storetest.Engine(t), store.Options{Clock: clock.now})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		m := &meeting{t: t, rt: rt, clock: clock, all: map[string]*revtree.Tree{}}
		for i := range rapid.IntRange(2, 4).Draw(rt, "peers") {
			m.join(s, fmt.Sprintf("peer%d", i))
		}
		any := rapid.IntRange(0, len(m.peers)-1)
		ids := rapid.SampledFrom([]string{"a", "b"})
		m.edit(rt, 0, "a", false)
		m.agree()
		rt.Repeat(map[string]func(*rapid.T){
			"edit":      func(rt *rapid.T) { m.edit(rt, any.Draw(rt, "peer"), ids.Draw(rt, "id"), false) },
			"delete":    func(rt *rapid.T) { m.edit(rt, any.Draw(rt, "peer"), ids.Draw(rt, "id"), true) },
			"replicate": func(rt *rapid.T) { m.both(any.Draw(rt, "one"), any.Draw(rt, "another")) },
			"wait": func(rt *rapid.T) {
				clock.forward(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			},
			"expire": func(rt *rapid.T) { expire(t, m.peers[any.Draw(rt, "peer")]) },
			"sleep": func(rt *rapid.T) { // all but one, which deletes something
				peer := any.Draw(rt, "peer")
				m.edit(rt, peer, ids.Draw(rt, "id"), true)
				clock.forward(10 * time.Minute)
				expire(t, m.peers[peer])
			},
			"forget": func(rt *rapid.T) { // a client that has lost its checkpoints
				p := m.peers[any.Draw(rt, "peer")]
				for _, id := range locals(t, p) {
					deleteLocal(t, p, id)
				}
			},
		})
		m.agree()
		for _, p := range m.peers { // and once more, when every tombstone has ended that can
			clock.forward(time.Hour)
			expire(t, p)
		}
		m.agree()
		for _, p := range m.peers {
			checkClean(rt, t.Context(), p.Unguarded())
		}
	})
}

// meeting is a number of peers, and all revisions that any of them has made.
type meeting struct {
	t     *testing.T
	rt    *rapid.T
	clock *handClock
	peers []store.Bare
	all   map[string]*revtree.Tree
	made  int
}

func (m *meeting) join(s *store.Store, name string) {
	if err := s.Create(m.t.Context(), name); err != nil {
		m.rt.Fatal(err)
	}
	db, err := s.Bare(m.t.Context(), name, reasonTest)
	if err != nil {
		m.rt.Fatal(err)
	}
	life := rapid.SampledFrom([]string{"", "1_sec", "30_sec", "1_min", "5_min"})
	setLife(m.t, db, life.Draw(m.rt, "ttl"), life.Draw(m.rt, "grace"))
	m.peers = append(m.peers, db)
}

// edit makes a revision on any leaf of a peer, or a new document.
func (m *meeting) edit(rt *rapid.T, peer int, id string, deleted bool) {
	db := m.peers[peer]
	found, err := db.OpenRevs(m.t.Context(), id, nil, store.ReadOptions{Revs: true})
	if err != nil && !errors.Is(err, store.ErrMissing) {
		rt.Fatal(err)
	}
	doc := parse(m.t, `{"_id":%q}`, id)
	switch alive := slices.DeleteFunc(slices.Clone(found), func(f store.OpenRev) bool { return f.Doc.Deleted }); {
	case len(alive) > 0:
		doc.Rev = alive[rapid.IntRange(0, len(alive)-1).Draw(rt, "leaf")].Doc.Rev
	case deleted:
		return
	}
	if doc.Deleted = deleted; !deleted {
		m.made++
		if err := doc.SetBody(fmt.Appendf(nil, `{"v":%d}`, rapid.SampledFrom([]int{0, m.made}).Draw(rt, "body"))); err != nil { // 0: others may make the same revision
			rt.Fatal(err)
		}
	}
	res, err := db.Put(m.t.Context(), store.Edit{Doc: doc}, store.WriteOptions{})
	if errors.Is(err, store.ErrConflict) {
		return // the same edit has been made before
	}
	if err != nil {
		rt.Fatal(err)
	}
	made, err := db.OpenRevs(m.t.Context(), id, []revtree.Rev{res.Rev}, store.ReadOptions{Revs: true})
	if err != nil || made[0].Doc == nil {
		rt.Fatal(made, err)
	}
	if m.all[id] == nil {
		m.all[id] = &revtree.Tree{}
	}
	if _, err := m.all[id].Merge(made[0].Doc.Path, deleted, []byte("x")); err != nil {
		rt.Fatal(err)
	}
}

// both replicates both ways.
func (m *meeting) both(a, b int) (moved bool) {
	if a == b {
		return false
	}
	one, two := m.replicate(m.peers[a], m.peers[b]), m.replicate(m.peers[b], m.peers[a])
	return one || two
}

// replicate does what CouchDB's replicator does: it continues from a checkpoint that both ends have,
// and writes a new one to both ends if there was anything to do.
func (m *meeting) replicate(from, to store.Bare) (moved bool) {
	t, ctx := m.t, m.t.Context()
	id := "_local/" + from.Name() + "-" + to.Name()
	at := place(t, from, id)
	since := uint64(0)
	if at != "" && at == place(t, to, id) {
		var err error
		if since, err = from.ParseSeq(ctx, at); err != nil {
			m.rt.Fatal(err)
		}
	}
	var ids []string
	var revs [][]revtree.Rev
	end, err := from.Changes(ctx, store.ChangesQuery{Since: since, Limit: -1, AllLeaves: true}, func(c *store.Change) error {
		ids, revs = append(ids, string(c.ID)), append(revs, slices.Clone(c.Revs))
		return nil
	}, func() error { return nil })
	if err != nil {
		m.rt.Fatal(err)
	}
	wanted := map[string][]revtree.Rev{}
	before, err := to.UpdateSeq(ctx)
	if err != nil {
		m.rt.Fatal(err)
	}
	err = to.RevsDiff(ctx, ids, revs, func(i int, missing, _ []revtree.Rev) error {
		if len(missing) > 0 {
			wanted[ids[i]] = slices.Clone(missing)
		}
		return nil
	})
	if err != nil {
		m.rt.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		found, err := from.OpenRevs(ctx, id, wanted[id], store.ReadOptions{Revs: true, Latest: true})
		if err != nil {
			m.rt.Fatal(err)
		}
		for _, f := range found {
			if f.Doc == nil {
				continue
			}
			doc := parse(t, `{"_id":%q}`, id)
			if err := doc.SetBody(f.Doc.Body); err != nil {
				m.rt.Fatal(err)
			}
			doc.Path, doc.Deleted = f.Doc.Path, f.Doc.Deleted
			if _, err := to.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{Replicated: true}); err != nil {
				m.rt.Fatal(err)
			}
		}
	}
	after, err := to.UpdateSeq(ctx)
	if err != nil {
		m.rt.Fatal(err)
	}
	if end.Last > since {
		for _, db := range []store.Bare{from, to} {
			body := fmt.Sprintf(`{"_id":%q,"session_id":"s","history":[],"source_last_seq":%q}`, id, from.Seq(end.Last))
			if _, err := db.Put(ctx, store.Edit{Doc: parse(t, "%s", body)}, store.WriteOptions{}); err != nil {
				m.rt.Fatal(err)
			}
		}
	}
	return after > before
}

func place(t *testing.T, db store.Bare, id string) string {
	d, err := db.GetLocal(t.Context(), id)
	if errors.Is(err, store.ErrMissing) {
		return ""
	}
	var cp struct {
		At string `json:"source_last_seq"`
	}
	if err := errors.Join(err, json.Unmarshal(d.Body, &cp)); err != nil {
		t.Fatal(err)
	}
	return cp.At
}

func locals(t *testing.T, db store.Bare) (ids []string) {
	q := store.AllDocsQuery{Space: store.LocalDocs, Limit: -1}
	err := db.AllDocs(t.Context(), q, func(store.Page) error { return nil }, func(r *store.Row) error {
		ids = append(ids, string(r.ID))
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func deleteLocal(t *testing.T, db store.Bare, id string) {
	if _, err := db.Put(context.WithoutCancel(t.Context()), store.Edit{Doc: parse(t, `{"_id":%q,"_deleted":true}`, id)}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// agree lets all replicate with all until nothing moves, and compares each with the tree of all
// revisions.
func (m *meeting) agree() {
	for round, moved := 0, true; moved; round++ {
		if round > 20 {
			m.rt.Fatal("replications find no end")
		}
		moved = false
		for a := range m.peers {
			for b := range a {
				moved = m.both(a, b) || moved
			}
		}
	}
	for id, tree := range m.all {
		want := living(tree.Leaves())
		for _, db := range m.peers {
			found, err := db.OpenRevs(m.t.Context(), id, nil, store.ReadOptions{})
			if err != nil && !errors.Is(err, store.ErrMissing) {
				m.rt.Fatal(err)
			}
			var leaves []revtree.Node
			for _, f := range found {
				leaves = append(leaves, revtree.Node{Rev: f.Doc.Rev, Deleted: f.Doc.Deleted})
			}
			if got := living(leaves); got != want {
				m.rt.Errorf("%s has %s of %q, all edits together make %s", db.Name(), got, id, want)
			}
			d, err := db.Get(m.t.Context(), id, store.ReadOptions{})
			if winner, _ := tree.Winner(); !winner.Deleted && (err != nil || d.Rev != winner.Rev) {
				m.rt.Errorf("%s has another winner of %q: %v, %v", db.Name(), id, d, err)
			}
		}
	}
}

// living are the leaves that live, as text.
func living(leaves []revtree.Node) string {
	slices.SortFunc(leaves, func(a, b revtree.Node) int { return cmp.Or(revtree.Compare(a.Rev, b.Rev)) })
	var out []string
	for _, l := range leaves {
		if !l.Deleted {
			out = append(out, l.Rev.String())
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}
