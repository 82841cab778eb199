package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/anykey"
	"github.com/tododb/tododb/store/storetest"
)

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// world is a database that somebody works on.
type world struct {
	t     testing.TB
	r     *rand.Rand
	s     *store.Store
	eng   engine.Engine
	db    store.Bare
	clock *clock
	ids   []string
	atts  [][]byte
	once  int
	revs  int // the revs limit
}

func newWorld(t testing.TB, eng engine.Engine, seed uint64, p store.Properties) *world {
	t.Helper()
	w := &world{t: t, revs: 5, r: rand.New(rand.NewPCG(seed, 1)), clock: &clock{}, eng: anykey.New(eng)}
	w.s = storetest.On(t, eng, store.Options{Clock: w.clock.now})
	if err := w.s.CreateWith(t.Context(), "db", p); err != nil {
		t.Fatal(err)
	}
	w.db = storetest.Bare(t, w.s, "db")
	for i := range 12 {
		id := fmt.Sprintf("d%d", i)
		if p.Partitioned {
			id = fmt.Sprintf("p%d:%s", i%3, id)
		}
		w.ids = append(w.ids, id)
	}
	w.ids = append(w.ids, "_design/x", w.ids[3]+strings.Repeat("k", 100))
	for i := range 4 {
		w.atts = append(w.atts, bytes.Repeat(fmt.Appendf(nil, "attachment %d ", i), 1+i*i*3000))
	}
	return w
}

func (w *world) id() string { return w.ids[w.r.IntN(len(w.ids))] }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// step does something.
func (w *world) step() {
	ctx := w.t.Context()
	switch w.r.IntN(24) {
	default:
		w.edit()
	case 0, 1, 2:
		w.replicate()
	case 3, 4:
		w.purge()
	case 5:
		w.must(w.db.SetSecurity(ctx, fmt.Appendf(nil, `{"n":%d}`, w.r.IntN(100))))
	case 6:
		w.must(w.db.SetPurgedInfosLimit(ctx, 1+w.r.IntN(4)))
	case 7:
		w.revs = max(1, w.revs-w.r.IntN(2)) // not up: a compaction may have cut trees that an earlier stream has whole
		w.must(w.db.SetRevsLimit(ctx, w.revs))
	case 8:
		w.must(w.db.Compact(ctx))
	case 9:
		w.clock.ahead.Add(int64(time.Duration(w.r.IntN(30)) * time.Hour))
		w.must(w.db.Sweep(ctx))
	case 10, 11:
		w.local("plain", fmt.Sprintf(`{"n":%d}`, w.r.IntN(100)))
	case 12:
		w.local("checkpoint", fmt.Sprintf(`{"session_id":"%d","history":[],"source_last_seq":"5"}`, w.r.IntN(100)))
	case 13:
		w.clock.ahead.Add(int64(time.Second))
	case 14: // times of a minute are merged
		w.clock.ahead.Add(int64(8 * 24 * time.Hour))
		w.must(w.db.Compact(ctx))
	case 15:
		w.must(w.db.SetLifetime(ctx, func(l *store.Lifetime) { l.TTL, l.Grace = "1_sec", "1_sec" }))
		_, err := w.db.Expire(ctx, store.ExpireOptions{})
		w.must(err)
	}
}

func (w *world) local(id, body string) {
	w.write(store.WriteOptions{}, fmt.Sprintf("_local/%s%d", id, w.r.IntN(3)), revtree.Rev{}, body, nil)
}

func (w *world) write(opt store.WriteOptions, id string, rev revtree.Rev, body string, path []revtree.Rev) {
	w.t.Helper()
	doc, err := document.Parse([]byte(body), document.Options{})
	w.must(err)
	doc.ID = id
	doc.Rev, doc.HasRev, doc.Path = rev, !rev.IsZero(), path
	if w.r.IntN(4) == 0 {
		doc.Deleted = true
	}
	e := store.Edit{Doc: doc}
	if w.r.IntN(3) == 0 && !strings.HasPrefix(id, "_local/") {
		for i := range 1 + w.r.IntN(2) {
			st, err := w.db.StageAttachment(w.t.Context(), bytes.NewReader(w.atts[w.r.IntN(len(w.atts))]), store.StageOptions{})
			w.must(err)
			e.Attachments = append(e.Attachments, store.EditAttachment{Name: fmt.Sprint(i), Type: "text/plain", Staged: &st})
		}
	}
	_, err = w.db.Write(w.t.Context(), []store.Edit{e}, opt)
	if _, done := errors.AsType[*store.Repeated](err); !done { // the engine did not know whether it was
		w.must(err)
	}
}

func (w *world) edit() {
	id := w.id()
	var rev revtree.Rev
	if d, err := w.db.Get(w.t.Context(), id, store.ReadOptions{Deleted: true}); err == nil && !d.Deleted {
		rev = d.Rev
	}
	opt := store.WriteOptions{}
	if w.r.IntN(5) == 0 {
		w.once++
		opt.Once = &store.Once{Key: sha256.Sum256(fmt.Append(nil, w.once)), Answer: func([]store.Result, error) []byte { return []byte("answer") }}
	}
	w.write(opt, id, rev, fmt.Sprintf(`{"n":%d,"s":%q}`, w.r.IntN(1000), strings.Repeat("s", w.r.IntN(3000))), nil)
}

func (w *world) replicate() {
	gen := 1 + w.r.Uint64N(4)
	var path []revtree.Rev
	for g := gen; g > 0; g-- {
		path = append(path, revtree.Rev{Gen: g, ID: strings.Repeat(string(rune('a'+w.r.IntN(2))), int(g))})
	}
	w.write(store.WriteOptions{Replicated: true}, w.id(), path[0], fmt.Sprintf(`{"r":%d}`, w.r.IntN(9)), path)
}

func (w *world) purge() {
	var ids []string
	var revs [][]revtree.Rev
	for range 1 + w.r.IntN(3) {
		id := w.id()
		d, err := w.db.Get(w.t.Context(), id, store.ReadOptions{Deleted: true})
		if err == nil && !slices.Contains(ids, id) {
			ids, revs = append(ids, id), append(revs, []revtree.Rev{d.Rev})
		}
	}
	if len(ids) == 0 {
		return
	}
	_, _, err := w.db.Purge(w.t.Context(), ids, revs)
	w.must(err)
}

// capture takes the stream since a point; between its pages somebody works. It may be cut on the
// way, and is then continued.
func (w *world) capture(since store.Point) ([]byte, store.Point) {
	w.t.Helper()
	var all []byte
	for {
		var b bytes.Buffer
		opt := backup.Options{Since: since, Page: 1 + w.r.IntN(4), Progress: func(p backup.Progress) {
			if p.Seq == p.Of {
				return // the state that the stream ends with has been read
			}
			for range w.r.IntN(3) {
				w.step()
			}
		}}
		end, err := backup.Capture(w.t.Context(), w.db, &b, opt)
		w.must(err)
		if w.r.IntN(3) > 0 {
			return append(all, b.Bytes()...), end.Point
		}
		part, reached := cutStream(w.t, b.Bytes(), w.r)
		all, since = append(all, part...), reached
	}
}

// cutStream cuts a stream between two items.
func cutStream(t testing.TB, b []byte, r *rand.Rand) ([]byte, store.Point) {
	t.Helper()
	var ends []int
	var points []store.Point
	in := backup.NewReader(bytes.NewReader(b))
	for at := 0; ; {
		i, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at += len(i.Bytes())
		ends, points = append(ends, at), append(points, in.Reached())
	}
	n := r.IntN(len(ends) - 1)
	return b[:ends[n]], points[n]
}

// contents lists what a database holds, record by record, except for what a restore changes.
func contents(t testing.TB, eng engine.Engine, name string) (rows []string) {
	t.Helper()
	db, err := eng.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(r engine.Reader) error {
		for s := engine.Space(1); s < 31; s++ {
			if s == 7 {
				continue // attachments stand at random places: they are read by their digests
			}
			err := r.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
				if s == 1 && (bytes.HasPrefix(k, []byte("sub/")) || bytes.HasPrefix(k, []byte("epoch/")) || string(k) == "identity") || s == 11 && binary.BigEndian.Uint64(k) == 0 || s == 5 && bytes.Contains(v, []byte("session_id")) {
					return true, nil
				}
				if s == 1 && string(k) == "deaths" { // a restore moves the counter that comes first
					_, n := binary.Uvarint(v[1:])
					v = v[1+n:]
				}
				rows = append(rows, fmt.Sprintf("space %d: %.200q = %x", s, k, v))
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Everything that a database holds comes back from a whole stream and those that continue it,
// whatever happens between and beside them.
func TestRestoredIsWhatWasBackedUp(t *testing.T) {
	for name, open := range storetest.Engines {
		for _, p := range []store.Properties{{}, {Partitioned: true}} {
			t.Run(fmt.Sprintf("%s/%v", name, p.Partitioned), func(t *testing.T) {
				t.Parallel()
				storetest.SkipSlow(t, name)
				for seed := range uint64(rounds()) {
					if !t.Run(fmt.Sprint(seed), func(t *testing.T) { foldTest(t, open(t), seed, p) }) {
						return
					}
				}
			})
		}
	}
}

func rounds() int { return 12 }

func foldTest(t *testing.T, eng engine.Engine, seed uint64, p store.Properties) {
	w := newWorld(t, eng, seed, p)
	var streams []byte
	var since store.Point
	for range 1 + w.r.IntN(4) {
		for range w.r.IntN(40) {
			w.step()
		}
		s, end := w.capture(since)
		streams, since = append(streams, s...), end
	}
	to := storetest.Engines["bolt"](t)
	dst := storetest.On(t, to, store.Options{Clock: w.clock.now})
	done, err := backup.Restore(t.Context(), dst, "copy", bytes.NewReader(streams), backup.RestoreOptions{})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if done.From != "db" || done.End.Point != since {
		t.Errorf("restored is %+v, want %+v", done, since)
	}
	copied := storetest.Bare(t, dst, "copy")
	if copied.Instance() == w.db.Instance() || !copied.Was(w.db.Instance()) {
		t.Error("the copy is taken for the database itself, or not for one that came of it")
	}
	w.same(anykey.New(to), copied)
}

// same compares a database with one that was restored.
func (w *world) same(eng engine.Engine, copied store.Bare) {
	t := w.t
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for _, db := range []store.Bare{w.db, copied} {
		w.must(db.Check(ctx, func(problem string) { t.Errorf("check of %s: %s", db.Name(), problem) }))
		w.must(db.Compact(ctx)) // a compaction between two streams may have removed old bodies that the first one has
	}
	want, got := contents(t, w.eng, "db"), contents(t, eng, copied.Name())
	for _, row := range want {
		if !slices.Contains(got, row) {
			t.Errorf("missing: %.300s", row)
		}
	}
	for _, row := range got {
		if !slices.Contains(want, row) {
			t.Errorf("too much: %.300s", row)
		}
	}
	for _, id := range w.ids {
		d, err := w.db.Get(ctx, id, store.ReadOptions{Deleted: true})
		if err != nil {
			continue
		}
		for _, a := range d.Attachments {
			in := copied.ReadAttachment(ctx, a.Digest, 0, a.Length)
			b, err := io.ReadAll(in)
			in.Close()
			if err != nil || !slices.ContainsFunc(w.atts, func(one []byte) bool { return bytes.Equal(one, b) }) {
				t.Errorf("attachment %s of %s reads %d bytes, %v", a.Name, id, len(b), err)
			}
		}
	}
}
