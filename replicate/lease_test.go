package replicate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// sharedManager is one of several processes over the same storage. gone is after how long without a sign
// a process counts as gone.
func sharedManager(t *testing.T, e *chaos.Engine, name string, gone time.Duration) *Manager {
	t.Helper()
	s, err := store.Open(t.Context(), e, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, err := members.Open(t.Context(), members.Options{Store: s, Name: name, Gone: gone, Beat: gone / 10})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s), Members: one, Server: "x", Settings: Settings{StartupJitter: -1, Interval: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	m.askAgain, m.lostAgain = gone, gone
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), one.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// If two processes share a database, a document's job runs in one of them. When that one ends, or
// loses its lease, the job runs in the other.
func TestLease(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{Seed: 1, Rerun: 0.2})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	p := newQuietPeer(t)
	const n = 10
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	for i := range n {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"r%d","source":"%s/s%[1]d","target":"%[2]s/t","continuous":true}`, i, p.URL), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	const gone = 1500 * time.Millisecond // a busy machine may be late
	one, two := sharedManager(t, e, "one", gone), sharedManager(t, e, "two", gone)
	for _, m := range []*Manager{one, two} {
		if err := m.FollowDocuments(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all run", func() bool { return len(one.Tasks())+len(two.Tasks()) >= n && p.waiting.Load() == n })
	watched := func() (most int64, stood bool) {
		for began, last := time.Now(), time.Now(); time.Since(began) < 2*gone; time.Sleep(time.Millisecond) {
			stood, last = stood || time.Since(last) > gone/3, time.Now()
			most = max(most, p.waiting.Load())
		}
		return most, stood
	}
	// If all of this stood still, both may have lost their jobs to the other: then it is looked at anew.
	most, stood := watched()
	for ; stood; most, stood = watched() {
		_, _ = watched()
		eventually(t, "all run anew", func() bool { return len(one.Tasks())+len(two.Tasks()) >= n && p.waiting.Load() == n })
	}
	if most > n {
		t.Fatalf("%d of %d run", most, n)
	}
	one.Close()
	eventually(t, "all run in the other", func() bool { return len(two.Tasks()) == n && p.waiting.Load() == n })

	// Others have taken the second one for gone, which was only slow.
	id := two.Jobs()[0].ID
	own, err := s.Bare(t.Context(), store.ServerDB, "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Release()
	if err := own.UpdateLocals(t.Context(), func(l *store.Locals) error {
		for _, prefix := range []string{"_local/member/", "_local/lease/"} {
			if err := l.Scan(prefix, func(doc string, _ []byte) error { l.Delete(doc); return nil }); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is let go", func() bool {
		now, err := two.Status(id)
		return err == nil && now.State == Pending && strings.Contains(now.LastError, "another process")
	})
	eventually(t, "all run again", func() bool { return len(two.Tasks()) == n && p.waiting.Load() == n })
	three := sharedManager(t, e, "three", gone)
	if _, err := three.opt.Members.Take(t.Context(), leaseOf(id)); err == nil {
		t.Error("the lease can be had twice")
	}
}

// Each document's job has one process, by lot, that may claim it first. The others do not show it as running, neither before nor
// when they find that it has been claimed.
func TestLeaseSpreads(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	e := chaos.New(chaos.Options{Seed: 3})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	p := newQuietPeer(t)
	const n = 40
	var edits []store.Edit
	for i := range n {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"r%d","source":"%s/s%[1]d","target":"%[2]s/t","continuous":true}`, i, p.URL), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, store.Edit{Doc: doc})
	}
	if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	both := []*Manager{sharedManager(t, e, "one", time.Minute), sharedManager(t, e, "two", time.Minute)}
	eventually(t, "they know each other", func() bool {
		for i := range 64 {
			name := fmt.Sprint(i)
			if (both[0].opt.Members.TurnIn(name) == 0) == (both[1].opt.Members.TurnIn(name) == 0) {
				return false
			}
		}
		return true
	})
	for _, m := range both {
		m.askAgain = 10 * time.Millisecond
		if err := m.FollowDocuments(); err != nil {
			t.Fatal(err)
		}
	}
	first := func(m *Manager) (ids map[string]bool, all int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		ids = map[string]bool{}
		for id, task := range m.tasks {
			if task.req.NotBefore.IsZero() {
				ids[id] = true
			}
		}
		return ids, len(m.tasks)
	}
	at := map[string]*Manager{} // where a job is shown
	look := func() {
		for _, m := range both {
			for _, task := range m.Tasks() {
				var shown struct {
					ID string `json:"replication_id"`
				}
				if err := json.Unmarshal(task, &shown); err != nil {
					t.Fatal(err)
				}
				if at[shown.ID] == nil {
					at[shown.ID] = m
				}
				if at[shown.ID] != m {
					t.Fatal("a job is shown as running at two processes")
				}
			}
		}
	}
	eventually(t, "all run", func() bool { look(); return p.waiting.Load() == n })
	eventually(t, "all are known to both, and were looked at again", func() bool {
		look()
		tried := 0
		for _, m := range both {
			m.mu.Lock()
			for _, task := range m.tasks {
				if task.heldBy != "" {
					tried++
				}
			}
			m.mu.Unlock()
		}
		return len(at) == n && tried >= n
	})
	for range 100 {
		look()
		time.Sleep(time.Millisecond)
	}
	ones, all := first(both[0])
	twos, others := first(both[1])
	if all != n || others != n || len(ones)+len(twos) != n || len(ones) == 0 || len(twos) == 0 {
		t.Errorf("of %d and %d jobs, %d and %d are claimed at once", all, others, len(ones), len(twos))
	}
	for id := range ones {
		if twos[id] {
			t.Error("both may claim a job at once")
		}
	}
	if jobs := both[0].Jobs(); len(jobs) != n {
		t.Errorf("%d jobs are shown", len(jobs))
	}
}

// A job that is lost, or whose holder is gone already, is not left alone for as long as one that runs elsewhere.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{Seed: 4})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	p := newQuietPeer(t)
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"r","source":"%s/s","target":"%[1]s/t","continuous":true}`, p.URL), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	m := sharedManager(t, e, "one", time.Minute)
	m.askAgain, m.lostAgain = time.Hour, 10*time.Millisecond
	if err := m.FollowDocuments(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() bool { return p.waiting.Load() == 1 })
	lose := func(h map[string]any) {
		t.Helper()
		own, err := s.Bare(t.Context(), store.ServerDB, "a test")
		if err != nil {
			t.Fatal(err)
		}
		defer own.Release()
		body, _ := json.Marshal(h)
		if err := own.UpdateLocals(t.Context(), func(l *store.Locals) error {
			return l.Scan("_local/lease/", func(doc string, _ []byte) error { l.Put(doc, body); return nil })
		}); err != nil {
			t.Fatal(err)
		}
	}
	jobs := m.Jobs()
	if len(jobs) != 1 {
		t.Fatalf("%d jobs", len(jobs))
	}
	m.mu.Lock()
	fence := m.tasks[jobs[0].ID].job.fence
	m.mu.Unlock()
	lose(map[string]any{"member": "gone", "take": "other"})
	if err := fence(t.Context()); !errors.Is(err, members.ErrLost) {
		t.Fatalf("the lease is held by %v", err)
	}
	eventually(t, "it runs again", func() bool {
		now, err := m.Status(jobs[0].ID)
		return err == nil && now.State == Running && len(now.History) > 2 && p.waiting.Load() == 1
	})

	m.mu.Lock()
	defer m.mu.Unlock()
	m.lostAgain = 30 * time.Second // that is not waited for
	now := time.Now()
	for _, c := range []struct {
		holder string
		soon   bool
	}{{"gone", true}, {m.opt.Members.ID(), false}} {
		other := &task{id: c.holder, state: Pending}
		if !m.elsewhere(other, &members.Held{Member: c.holder}, true, now) || other.nextTry.Before(now.Add(time.Minute)) != c.soon {
			t.Errorf("held by %q: it is tried in %v", c.holder, other.nextTry.Sub(now))
		}
	}
}

// Two processes see the documents of one-time jobs, but each job is done once. No lease expires
// meanwhile.
func TestLeaseOnce(t *testing.T) {
	e := chaos.New(chaos.Options{Seed: 2})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	p := newQuietPeer(t)
	const n = 40
	var edits []store.Edit
	for i := range n {
		doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"r%d","source":"%s/s%[1]d","target":"%[2]s/t"}`, i, p.URL), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, store.Edit{Doc: doc})
	}
	if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	one, two := sharedManager(t, e, "one", time.Minute), sharedManager(t, e, "two", time.Minute)
	for _, m := range []*Manager{one, two} {
		if err := m.FollowDocuments(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "nobody has anything to do", func() bool {
		total, err := one.ScheduledDocs(t.Context(), "_replicator", DocsQuery{States: []State{Completed}}, nil)
		return err == nil && total == n && len(one.Jobs())+len(two.Jobs()) == 0
	})
	for i := range n {
		doc, err := db.Get(t.Context(), fmt.Sprintf("r%d", i), store.ReadOptions{})
		if err != nil || doc.Rev.Gen != 2 {
			t.Errorf("r%d has been written %d times, %v", i, doc.Rev.Gen, err)
		}
	}
	if reads := p.reads.Load(); reads != n {
		t.Errorf("%d jobs ran %d times", n, reads)
	}
}

// A process may have lost its lease when it comes to the end. Then another one has the job.
func TestLeaseExpires(t *testing.T) {
	e := chaos.New(chaos.Options{Seed: 3})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	p := newQuietPeer(t)
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	body := fmt.Appendf(nil, `{"_id":"r","source":"%s/s","target":"%[1]s/t"}`, p.URL)
	doc, err := document.Parse(body, document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	one, two := sharedManager(t, e, "one", time.Minute), sharedManager(t, e, "two", time.Minute)
	said, err := parseDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	owner := Owner{"_replicator", "r"}

	one.mu.Lock()
	job := one.newJob(&Request{Spec: said.spec, Owner: owner})
	one.mu.Unlock()
	defer job.close()
	taken := make(chan struct{})
	p.onRead = sync.OnceFunc(func() {
		defer close(taken)
		if err := one.opt.Members.Close(); err != nil { // which ends the job's run, maybe before the next line
			t.Error(err)
		}
		if _, err := two.opt.Members.Take(t.Context(), leaseOf(job.id)); err != nil {
			t.Error(err)
		}
	})
	_, err = one.runLeased(t.Context(), &task{req: Request{Owner: owner}}, job)
	if !errors.Is(err, members.ErrLost) {
		t.Errorf("a job is done whose lease another process has: %v", err)
	}
	<-taken

	// Both may come to the end, one after the other. The document has the result of the first.
	two.set.UpdateDocs = true
	for _, end := range []struct {
		m     *Manager
		state State
	}{{one, Completed}, {two, Running}, {two, Completed}} {
		(&documents{m: end.m}).notify(t.Context(), owner, said.key, Status{ID: job.id, State: end.state})
	}
	now, err := db.Get(t.Context(), "r", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if now.Rev.Gen != 2 || !strings.Contains(string(now.Body), `"completed"`) {
		t.Errorf("%v %s", now.Rev, now.Body)
	}
}

// What a process has just begun can be cancelled at another one, which has not been told of it yet.
func TestCancelledElsewhereAtOnce(t *testing.T) {
	t.Parallel()
	e := chaos.New(chaos.Options{Seed: 4})
	p := newQuietPeer(t)
	one, two := sharedManager(t, e, "one", time.Minute), sharedManager(t, e, "two", time.Minute) // who tell every six seconds
	body := fmt.Appendf(nil, `{"source":"%s/s","target":"%[1]s/t","continuous":true}`, p.URL)
	if _, started, err := one.Replicate(t.Context(), body, User{}); err != nil || !started {
		t.Fatal(started, err)
	}
	spec, err := ParseSpec(body)
	if err != nil {
		t.Fatal(err)
	}
	id := two.meant(spec, User{})
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		holder, err := two.opt.Members.Holder(t.Context(), leaseOf(id))
		if err != nil {
			t.Fatal(err)
		}
		if holder != "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nobody runs it")
		}
	}
	if err := two.Cancel(t.Context(), id, User{}); err != nil {
		t.Errorf("cancelled at the other process: %v", err)
	}
	if _, err := one.Status(id); !errors.Is(err, ErrNoJob) {
		t.Errorf("after it was cancelled: %v", err)
	}
}
