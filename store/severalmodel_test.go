package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// Stores in several processes do what they like to the same databases. After each step every store
// reads what the model says, and a feed that is followed at a store misses nothing.
func TestSeveralStoresAreLikeTheModel(t *testing.T) {
	for name, open := range sharedEngines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engines := open(t, 3)
			t.Cleanup(func() {
				for _, e := range engines {
					e.Close()
				}
			})
			run, most := 0, 60
			if name == "pg" { // where each step takes many round trips
				most = 6
			}
			rapid.Check(t, func(rt *rapid.T) {
				if run++; run > most && !thorough() {
					return
				}
				m := startSeveral(t, rt, engines, fmt.Sprintf("db%d", run))
				defer m.close()
				rt.Repeat(m.actions())
				m.caughtUp()
				if m.m != nil {
					for i := range m.stores {
						m.with(i, func(db *store.DB) { checkClean(rt, t.Context(), db) })
					}
				}
			})
		})
	}
}

// thorough reports whether a test of PostgreSQL may take its time (make soak-pg).
func thorough() bool { return os.Getenv("TODODB_TEST_SOAK") != "" }

// severalIDs are the documents of the model.
var severalIDs = []string{"a", "b", "c", "_design/d", "ü/x"}

// several is some stores over one storage, and what must be in a database of theirs.
type several struct {
	t       *testing.T
	rt      *rapid.T // of the run
	name    string
	clock   *handClock
	engines []engine.Engine
	stores  []*store.Store
	kept    []*store.DB // handles that requests hold for long, nil for none
	feeds   []*followed

	m        *model // nil: the database is not there
	instance string
	dead     map[string]*modelDoc
	at       map[string]time.Time // when a document last changed
	life     bool                 // its tombstones end after a minute
	security string
	limit    int
	locals   map[string]string
	files    map[string][]byte // content by id of the documents that have an attachment
}

func startSeveral(t *testing.T, rt *rapid.T, engines []engine.Engine, name string) *several {
	m := &several{t: t, rt: rt, name: name, clock: newHandClock(), engines: engines, kept: make([]*store.DB, len(engines)), feeds: make([]*followed, len(engines))}
	for i := range engines {
		m.stores = append(m.stores, m.begin(i))
	}
	m.create(0)
	return m
}

// begin starts a process.
func (m *several) begin(i int) *store.Store {
	s, err := store.Open(m.t.Context(), m.engines[i], store.Options{Clock: m.clock.now, MaxOpen: 2})
	if err != nil {
		m.rt.Fatal(err)
	}
	return s
}

func (m *several) close() {
	for i, s := range m.stores {
		m.letGo(i)
		if m.feeds[i] != nil {
			m.feeds[i].stop()
		}
		s.Drop(context.WithoutCancel(m.t.Context()), m.name)
		if err := s.Close(); err != nil {
			m.t.Errorf("close a store: %v", err)
		}
	}
}

func (m *several) letGo(i int) {
	if m.kept[i] != nil {
		m.kept[i].Release()
		m.kept[i] = nil
	}
}

// with opens the database at a store as a request does.
func (m *several) with(i int, do func(*store.DB)) {
	db, err := openFor(m.t.Context(), m.stores[i], m.name)
	if err != nil {
		m.rt.Fatalf("at %d: %v", i, err)
	}
	defer db.Release()
	do(db)
}

// openBare opens a database as it is now. For the server's own work, it may be that of a second before.
func openBare(ctx context.Context, s *store.Store, name string) (store.Bare, error) {
	db, err := openFor(ctx, s, name)
	if err != nil {
		return store.Bare{}, err
	}
	defer db.Release()
	return s.Bare(ctx, name, reasonTest)
}

// all does something at all stores at once.
func (m *several) all(do func(db store.Bare) error) {
	var works sync.WaitGroup
	errs := make([]error, len(m.stores))
	for i, s := range m.stores {
		works.Go(func() {
			db, err := openBare(m.t.Context(), s, m.name)
			if err == nil {
				defer db.Release()
				err = do(db)
			}
			errs[i] = err
		})
	}
	works.Wait()
	if err := errors.Join(errs...); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *several) create(i int) {
	if err := m.stores[i].Create(m.t.Context(), m.name); err != nil {
		m.rt.Fatal(err)
	}
	m.m = &model{docs: map[string]*modelDoc{}}
	m.dead, m.at = map[string]*modelDoc{}, map[string]time.Time{}
	m.life, m.security, m.limit = false, "", 1000
	m.locals, m.files = map[string]string{}, map[string][]byte{}
	m.with(i, func(db *store.DB) { m.instance = db.Instance() })
}

// edited does something to a document, which may be dead.
func (m *several) edited(id string, do func()) {
	var ended []revtree.Rev
	if d := m.dead[id]; d != nil {
		m.m.docs[id], ended = d, d.leaves()
	}
	before := slices.Clone(m.m.order)
	do()
	d := m.m.docs[id]
	if !slices.Equal(before, m.m.order) || d != nil && slices.Index(before, id) == len(before)-1 {
		m.at[id] = m.clock.now()
	}
	switch {
	case d == nil:
		delete(m.dead, id)
	case m.dead[id] != nil && !slices.Contains(m.m.order, id): // still dead
		delete(m.m.docs, id)
	default:
		delete(m.dead, id)
		for _, rev := range ended { // what has ended has no body of its own any more
			if !slices.Contains(d.leaves(), rev) && d.revs[rev] != nil {
				d.revs[rev].body = ""
			}
		}
	}
}

// expire lets tombstones end.
func (m *several) expire(i int) {
	db, err := openBare(m.t.Context(), m.stores[i], m.name)
	if err != nil {
		m.rt.Fatal(err)
	}
	defer db.Release()
	if _, err := db.Expire(m.t.Context(), store.ExpireOptions{}); err != nil {
		m.rt.Fatal(err)
	}
	if !m.life {
		return
	}
	for id, d := range m.m.docs {
		if _, w := d.winner(); !w.deleted || m.clock.now().Sub(m.at[id]) < 2*time.Minute {
			continue
		}
		leaves := d.leaves()
		for rev, r := range d.revs {
			if r.body = ""; slices.Contains(leaves, rev) {
				r.body = "{}"
			}
		}
		m.dead[id] = d
		delete(m.m.docs, id)
		m.m.order = slices.DeleteFunc(m.m.order, func(s string) bool { return s == id })
	}
}

func (m *several) compacted() {
	for _, d := range m.m.docs {
		kept := append(d.leaves(), d.forks()...)
		for rev, r := range d.revs {
			if !slices.Contains(kept, rev) {
				r.body = ""
			}
		}
	}
}

func (m *several) actions() map[string]func(*rapid.T) {
	ctx := m.t.Context()
	any := rapid.IntRange(0, len(m.stores)-1)
	ids := rapid.SampledFrom(severalIDs)
	// at does something to the database, at any store.
	at := func(do func(rt *rapid.T, i int, db *store.DB)) func(*rapid.T) {
		return func(rt *rapid.T) {
			m.rt = rt
			if m.m == nil {
				return
			}
			i := any.Draw(rt, "store")
			m.checkKept(i)
			if m.kept[i] != nil && rapid.Bool().Draw(rt, "long request") {
				do(rt, i, m.kept[i])
				return
			}
			m.with(i, func(db *store.DB) { do(rt, i, db) })
		}
	}
	edit := at(func(rt *rapid.T, _ int, db *store.DB) {
		id := ids.Draw(rt, "id")
		m.edited(id, func() { modelEdit(m.t, rt, db, m.m, id) })
	})
	replicate := at(func(rt *rapid.T, _ int, db *store.DB) {
		id := ids.Draw(rt, "id")
		m.edited(id, func() { modelReplicate(m.t, rt, db, m.m, id) })
	})
	return map[string]func(*rapid.T){
		"edit":           edit,
		"edit again":     edit,
		"replicate":      replicate,
		"replicate more": replicate,
		"bulk":           at(m.bulk),
		"purge": at(func(rt *rapid.T, _ int, db *store.DB) {
			id := ids.Draw(rt, "id")
			m.edited(id, func() {
				_, dead := m.dead[id]
				if modelPurge(m.t, rt, db, m.m, id); dead { // it does not come back into the feed
					m.m.order = slices.DeleteFunc(m.m.order, func(s string) bool { return s == id })
				}
			})
		}),
		"compact at all": at(func(rt *rapid.T, _ int, _ *store.DB) {
			m.all(func(db store.Bare) error { return db.Compact(ctx) })
			m.compacted()
		}),
		"expire": at(func(rt *rapid.T, i int, _ *store.DB) {
			m.clock.forward(5 * time.Minute)
			m.expire(i)
		}),
		"expire at all": at(func(rt *rapid.T, i int, _ *store.DB) {
			m.clock.forward(5 * time.Minute)
			m.all(func(db store.Bare) error { _, err := db.Expire(ctx, store.ExpireOptions{}); return err })
			m.expire(i)
		}),
		"lifetime": at(func(rt *rapid.T, _ int, db *store.DB) {
			m.life = rapid.Bool().Draw(rt, "ends")
			err := db.SetLifetime(ctx, func(l *store.Lifetime) {
				if l.TTL = ""; m.life {
					l.TTL, l.Grace = "1_min", "1_min"
				}
			})
			if err != nil {
				rt.Fatal(err)
			}
		}),
		"security": at(func(rt *rapid.T, _ int, db *store.DB) {
			m.security = fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 3).Draw(rt, "n"))
			if err := db.SetSecurity(ctx, []byte(m.security)); err != nil {
				rt.Fatal(err)
			}
		}),
		"limit": at(func(rt *rapid.T, _ int, db *store.DB) {
			m.limit = rapid.IntRange(900, 1100).Draw(rt, "limit")
			if err := db.SetRevsLimit(ctx, m.limit); err != nil {
				rt.Fatal(err)
			}
		}),
		"settings at once": at(m.settings),
		"local": at(func(rt *rapid.T, _ int, db *store.DB) {
			id := rapid.SampledFrom([]string{"_local/a", "_local/b"}).Draw(rt, "id")
			body := fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 9).Draw(rt, "n"))
			deleted := rapid.IntRange(0, 3).Draw(rt, "delete") == 0
			if _, err := db.Put(ctx, store.Edit{Doc: parse(m.t, `{"_id":%q,"_deleted":%v,%s`, id, deleted, body[1:])}, store.WriteOptions{}); err != nil {
				rt.Fatal(err)
			}
			if m.locals[id] = body; deleted {
				delete(m.locals, id)
			}
		}),
		"file": at(m.file),
		"sweep": at(func(rt *rapid.T, _ int, _ *store.DB) {
			if rapid.Bool().Draw(rt, "late") {
				m.clock.forward(25 * time.Hour)
			}
			m.all(func(db store.Bare) error { return db.Sweep(ctx) })
		}),
		"forget conflicts": at(func(rt *rapid.T, _ int, _ *store.DB) {
			m.all(func(db store.Bare) error { return db.ForgetConflicts(ctx) })
			m.all(func(db store.Bare) error { _, err := db.ConflictCount(ctx); return err })
		}),
		"epoch": at(func(rt *rapid.T, _ int, db *store.DB) {
			if err := db.RenewEpoch(ctx); err != nil {
				rt.Fatal(err)
			}
		}),
		"hold": at(func(rt *rapid.T, i int, _ *store.DB) {
			m.letGo(i)
			db, err := openFor(ctx, m.stores[i], m.name)
			if err != nil {
				rt.Fatal(err)
			}
			m.kept[i] = db
		}),
		"let go": func(rt *rapid.T) {
			m.rt = rt
			i := any.Draw(rt, "store")
			m.letGo(i)
			m.stores[i].MakeRoom()
		},
		"restart": func(rt *rapid.T) {
			m.rt = rt
			i := any.Draw(rt, "store")
			m.letGo(i)
			if m.feeds[i] != nil {
				m.feeds[i].stop()
				m.feeds[i] = nil
			}
			if err := m.stores[i].Close(); err != nil {
				rt.Fatal(err)
			}
			m.stores[i] = m.begin(i)
		},
		"follow": at(func(rt *rapid.T, i int, _ *store.DB) {
			if m.feeds[i] == nil {
				m.feeds[i] = m.follow(i)
			}
		}),
		"catch up": func(rt *rapid.T) {
			m.rt = rt
			m.caughtUp()
		},
		"drop or make": func(rt *rapid.T) {
			m.rt = rt
			if rapid.IntRange(0, 3).Draw(rt, "rarely") > 0 {
				return
			}
			i := any.Draw(rt, "store")
			if m.m == nil {
				m.create(i)
				return
			}
			m.caughtUp()
			if err := m.stores[i].Drop(ctx, m.name); err != nil {
				rt.Fatal(err)
			}
			m.m = nil
			if rapid.Bool().Draw(rt, "make again") {
				m.create(any.Draw(rt, "maker"))
			}
			m.ended()
		},
		"": func(rt *rapid.T) {
			m.rt = rt
			m.compare(any.Draw(rt, "reader"))
		},
	}
}

// bulk brings several documents at once, from all stores at the same time: everybody brings the same
// revisions, in another order.
func (m *several) bulk(rt *rapid.T, _ int, _ *store.DB) {
	gen := uint64(rapid.IntRange(1, 4).Draw(rt, "generation"))
	letter := rapid.SampledFrom([]string{"aaa", "bbb"}).Draw(rt, "letter")
	var path []revtree.Rev
	for g := gen; g > 0; g-- {
		path = append(path, revtree.Rev{Gen: g, ID: letter})
	}
	some := rapid.Permutation(severalIDs).Draw(rt, "ids")[:2]
	body := `{"bulk":1}`
	var edits []store.Edit
	for _, id := range some {
		doc := parse(m.t, `{"_id":%q,%s`, id, body[1:])
		doc.Path, doc.Rev, doc.HasRev = path, path[0], true
		edits = append(edits, store.Edit{Doc: doc})
	}
	var turn atomic.Int32
	m.all(func(db store.Bare) error {
		own := slices.Clone(edits)
		if turn.Add(1)%2 == 0 {
			slices.Reverse(own)
		}
		res, err := db.Write(m.t.Context(), own, store.WriteOptions{Replicated: true})
		for i := range res {
			err = errors.Join(err, res[i].Err)
		}
		return err
	})
	var changed []string
	for _, id := range some {
		m.edited(id, func() {
			if m.m.merge(id, path, false, body) {
				changed = append(changed, id)
			}
		})
	}
	if len(changed) < 2 {
		return
	}
	m.with(0, func(db *store.DB) { // whose order is the one, depends on who came first
		for _, id := range feedOf(m.t, db) {
			if slices.Contains(changed, id) {
				m.m.changed(id)
			}
		}
	})
}

func feedOf(t testing.TB, db *store.DB) (ids []string) {
	_, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1}, func(c *store.Change) error {
		ids = append(ids, string(c.ID))
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Error(err)
	}
	return ids
}

// settings changes different settings at different stores at once.
func (m *several) settings(rt *rapid.T, _ int, _ *store.DB) {
	m.security, m.limit = fmt.Sprintf(`{"m":%d}`, rapid.IntRange(0, 9).Draw(rt, "n")), rapid.IntRange(900, 1100).Draw(rt, "limit")
	var next sync.Mutex
	n := 0
	m.all(func(db store.Bare) error {
		next.Lock()
		mine := n
		n++
		next.Unlock()
		switch mine {
		case 0:
			return db.SetSecurity(m.t.Context(), []byte(m.security))
		case 1:
			return db.SetRevsLimit(m.t.Context(), m.limit)
		}
		return db.SetPurgedInfosLimit(m.t.Context(), 500)
	})
}

// file writes a document with an attachment, whose bytes others may have as well.
func (m *several) file(rt *rapid.T, _ int, db *store.DB) {
	id := rapid.SampledFrom([]string{"file1", "file2"}).Draw(rt, "id")
	var rev revtree.Rev
	if d := m.m.docs[id]; d != nil {
		rev, _ = d.winner()
	}
	content := blob(uint64(rapid.IntRange(0, 2).Draw(rt, "content")), 300)
	st, err := db.StageAttachment(m.t.Context(), bytes.NewReader(content), store.StageOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	doc := parse(m.t, `{"_id":%q,"n":%d}`, id, len(m.m.order))
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	res, err := db.Put(m.t.Context(), store.Edit{Doc: doc, Attachments: []store.EditAttachment{{Name: "f", Staged: &st}}}, store.WriteOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	d, err := db.Get(m.t.Context(), id, store.ReadOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	path := []revtree.Rev{res.Rev}
	if !rev.IsZero() {
		path = append(path, rev)
	}
	m.edited(id, func() { m.m.merge(id, path, false, string(d.Body)) })
	m.files[id] = content
}

// checkKept lets go of a handle whose database is gone.
func (m *several) checkKept(i int) {
	db := m.kept[i]
	if db == nil || db.Instance() == m.instance {
		return
	}
	if _, err := db.UpdateSeq(m.t.Context()); !errors.Is(err, store.ErrNoDB) {
		m.rt.Fatalf("at %d the former database is read: %v", i, err)
	}
	m.letGo(i)
}

// compare compares what a store reads with the model.
func (m *several) compare(i int) {
	ctx := m.t.Context()
	if m.m == nil {
		if _, err := openFor(ctx, m.stores[i], m.name); !errors.Is(err, store.ErrNoDB) {
			m.rt.Fatalf("at %d it is there: %v", i, err)
		}
		return
	}
	m.checkKept(i)
	m.with(i, func(db *store.DB) {
		compareWithModel(ctx, m.rt, db, m.m)
		security, err := db.Security(ctx)
		if err != nil || string(security) != m.security && m.security != "" {
			m.rt.Fatalf("at %d the security object is %s, %v, want %s", i, security, err, m.security)
		}
		if n, err := db.RevsLimit(ctx); n != m.limit || err != nil {
			m.rt.Fatalf("at %d the limit is %d, %v, want %d", i, n, err, m.limit)
		}
		locals := map[string]string{}
		for _, id := range []string{"_local/a", "_local/b"} {
			if d, err := db.GetLocal(ctx, id); err == nil {
				locals[id] = string(d.Body)
			} else if !errors.Is(err, store.ErrMissing) {
				m.rt.Fatal(err)
			}
		}
		if !maps.Equal(locals, m.locals) {
			m.rt.Fatalf("at %d local documents are %v, want %v", i, locals, m.locals)
		}
		for id, want := range m.files {
			if got := content(m.t, db, id, "f"); !bytes.Equal(got, want) {
				m.rt.Fatalf("at %d the file of %s is %d bytes, others than were written", i, id, len(got))
			}
		}
		info, err := db.Info(ctx)
		if err != nil || info.Dead.Count != uint64(len(m.dead)) {
			m.rt.Fatalf("at %d there are %d dead documents, %v, want %d", i, info.Dead.Count, err, len(m.dead))
		}
	})
}

// followed is a feed that is followed at a store.
type followed struct {
	cancel func()
	over   chan struct{}

	mu     sync.Mutex // guards what follows
	last   uint64
	seen   map[string]uint64
	wrong  []string
	ended  error
	moment chan struct{} // closed when last moves
}

func (m *several) follow(i int) *followed {
	db, err := openFor(m.t.Context(), m.stores[i], m.name)
	if err != nil {
		m.rt.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	f := &followed{cancel: cancel, over: make(chan struct{}), seen: map[string]uint64{}, moment: make(chan struct{})}
	go func() {
		defer close(f.over)
		defer db.Release()
		f.run(ctx, db)
	}()
	return f
}

func (f *followed) stop() {
	f.cancel()
	<-f.over
}

func (f *followed) run(ctx context.Context, db *store.DB) {
	last := uint64(0)
	for {
		news := db.Changed(last)
		end, err := db.Changes(ctx, store.ChangesQuery{Since: last, Limit: -1, Follow: true}, func(c *store.Change) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if c.Seq <= f.last {
				f.wrong = append(f.wrong, fmt.Sprintf("%d after %d", c.Seq, f.last))
			}
			f.last, f.seen[string(c.ID)] = c.Seq, c.Seq
			return nil
		}, func() error { return nil })
		f.mu.Lock()
		if f.ended = err; err == nil {
			last = max(last, end.Last)
			f.last = last
		}
		close(f.moment)
		f.moment = make(chan struct{})
		f.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-news:
		case <-db.Gone():
			return
		case <-ctx.Done():
			return
		}
	}
}

// caughtUp waits until all feeds have come to the end, and compares what they have seen.
func (m *several) caughtUp() {
	if m.m == nil {
		return
	}
	want := map[string]uint64{}
	var top uint64
	m.with(0, func(db *store.DB) {
		end, err := db.Changes(m.t.Context(), store.ChangesQuery{Limit: -1, Follow: true}, func(c *store.Change) error {
			want[string(c.ID)] = c.Seq
			return nil
		}, func() error { return nil })
		if err != nil {
			m.rt.Fatal(err)
		}
		top = end.Last
	})
	for i, f := range m.feeds {
		if f == nil {
			continue
		}
		deadline := time.After(time.Minute)
		for f.before(top) {
			f.mu.Lock()
			moment := f.moment
			f.mu.Unlock()
			if !f.before(top) {
				break
			}
			select {
			case <-moment:
			case <-f.over:
				if f.before(top) {
					f.mu.Lock()
					m.rt.Fatalf("the feed at %d has ended at %d: %v", i, f.last, f.ended)
				}
			case <-deadline:
				f.mu.Lock()
				m.rt.Fatalf("the feed at %d stands still at %d of %d", i, f.last, top)
			}
		}
		f.mu.Lock()
		wrong := slices.Clone(f.wrong)
		for id, seq := range want {
			if f.seen[id] != seq {
				wrong = append(wrong, fmt.Sprintf("%q at %d, was seen at %d", id, seq, f.seen[id]))
			}
		}
		f.mu.Unlock()
		if len(wrong) > 0 {
			m.rt.Fatalf("the feed at %d: %q", i, wrong)
		}
	}
}

// ended waits until all feeds have ended, as they do when their database is dropped.
func (m *several) ended() {
	for i, f := range m.feeds {
		if f != nil {
			soon(m.t, f.over, fmt.Sprintf("the feed at %d of the database that is gone", i))
			m.feeds[i] = nil
		}
	}
}

func (f *followed) before(seq uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last < seq
}
