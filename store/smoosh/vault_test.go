package smoosh_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/smoosh"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// vault is a database as Obsidian LiveSync keeps one: a note is a document that names its chunks, and a
// chunk is a document h:HASH, which never changes. An edit makes a new chunk; the old one is deleted.
type vault struct {
	db     *store.DB
	random *rand.Rand
	notes  []note
	old    []chunk // not needed any more, not deleted yet
}

type note struct {
	id     string
	rev    revtree.Rev
	chunks []chunk
}

type chunk struct {
	id  string
	rev revtree.Rev
}

func newVault(t *testing.T, db *store.DB, bytes int) *vault {
	v := &vault{db: db, random: rand.New(rand.NewPCG(7, 8))}
	const perNote, perChunk = 4, 1000
	for range bytes / perNote / perChunk {
		n := note{id: fmt.Sprintf("folder %d/note %x.md", v.random.IntN(20), v.random.Uint64())}
		var edits []store.Edit
		for range perNote {
			n.chunks = append(n.chunks, v.chunk(perChunk, &edits))
		}
		results := v.write(t, append(edits, v.named(&n)))
		n.rev = results[perNote].Rev
		for i := range n.chunks {
			n.chunks[i].rev = results[i].Rev
		}
		v.notes = append(v.notes, n)
	}
	return v
}

const letters = "etaoinshrdlu ETAOINSHRDLU,.;0123456789cmfwypvbgkjqxz"

func (v *vault) chunk(size int, edits *[]store.Edit) chunk {
	id := fmt.Sprintf("h:%016x", v.random.Uint64())
	text := make([]byte, size)
	for i := range text {
		text[i] = letters[v.random.IntN(len(letters))]
	}
	*edits = append(*edits, edit(`{"_id":%q,"data":%q,"type":"leaf"}`, id, text))
	return chunk{id: id}
}

func (v *vault) named(n *note) store.Edit {
	children := []string{}
	for _, c := range n.chunks {
		children = append(children, strconv.Quote(c.id))
	}
	rev := ""
	if !n.rev.IsZero() {
		rev = fmt.Sprintf(`"_rev":%q,`, n.rev)
	}
	return edit(`{"_id":%q,%s"children":[%s],"ctime":1700000000000,"mtime":%d,"path":%q,"size":4000,"type":"plain","eden":{}}`,
		n.id, rev, join(children), 1_700_000_000_000+v.random.IntN(1e9), n.id)
}

func join(list []string) (all string) {
	for i, s := range list {
		if i > 0 {
			all += ","
		}
		all += s
	}
	return all
}

func edit(format string, args ...any) store.Edit {
	doc, err := document.Parse(fmt.Appendf(nil, format, args...), document.Options{})
	if err != nil {
		panic(err)
	}
	return store.Edit{Doc: doc}
}

func (v *vault) write(t *testing.T, edits []store.Edit) []store.Result {
	t.Helper()
	results, err := v.db.Write(context.WithoutCancel(t.Context()), edits, store.WriteOptions{})
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// change edits some words of a note.
func (v *vault) change(t *testing.T) {
	n := &v.notes[v.random.IntN(len(v.notes))]
	at := v.random.IntN(len(n.chunks))
	var edits []store.Edit
	v.old = append(v.old, n.chunks[at])
	n.chunks[at] = v.chunk(700+v.random.IntN(600), &edits)
	results := v.write(t, append(edits, v.named(n)))
	n.chunks[at].rev, n.rev = results[0].Rev, results[1].Rev
	if len(v.old) < 50 {
		return
	}
	edits = nil
	for _, c := range v.old {
		edits = append(edits, edit(`{"_id":%q,"_rev":%q,"_deleted":true}`, c.id, c.rev))
	}
	v.write(t, edits)
	v.old = nil
}

// A vault with a year of edits stays below twice the size that a compaction would give it. That is
// looked at all the time, except while a compaction runs. TODODB_TEST_VAULT is how many edits there are
// to a vault of 4 MB; otherwise all is a tenth of that or less.
func TestVault(t *testing.T) {
	widetest.Only(t)
	edits, bytes, sizes := 2_000, 200_000, int64(64<<10)
	if text := os.Getenv("TODODB_TEST_VAULT"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		edits, bytes, sizes = n, 4_000_000, 1<<20
	}
	st := storetest.Open(t, store.Options{})
	db := storetest.DB(t, st, "vault")
	set := settings()
	set.Databases[0].MinSize = sizes
	s := start(t, st, set, smoosh.Options{Gather: time.Millisecond})
	v := newVault(t, db, bytes)
	const looks = 50
	worst, sampled, most := 0.0, 0, int64(0)
	for i := range edits {
		v.change(t)
		if i%(edits/looks) != 0 {
			time.Sleep(100 * time.Microsecond) // nobody edits faster than this
			continue
		}
		calm(t, s)
		u, err := db.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		live, _, err := db.Measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sampled++
		most = max(most, u.File)
		worst = max(worst, float64(u.File)/float64(live))
		if u.File > 2*live && u.File > sizes {
			t.Errorf("after %d edits the file has %d bytes, and needs %d", i, u.File, live)
		}
	}
	calm(t, s)
	before, err := db.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := s.Figures()
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := db.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.File > 2*after.File {
		t.Errorf("in the end the file has %d bytes, a compaction makes %d of them", before.File, after.File)
	}
	if f.Compactions < 2 || f.Failed > 0 {
		t.Errorf("%+v", f)
	}
	t.Logf("%d edits: %d compactions, %d counts, %d bytes given back; at %d looks the file had at most %d bytes and %.2f times what it needs; in the end %d, compacted by hand %d",
		edits, f.Compactions, f.Counted, f.Freed, sampled, most, worst, before.File, after.File)
	if err := db.Check(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}
