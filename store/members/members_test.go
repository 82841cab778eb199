package members_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/members"
)

// shared is a storage of several processes.
func shared(t *testing.T) *chaos.Engine {
	t.Helper()
	eng := chaos.New(chaos.Options{})
	t.Cleanup(func() { eng.Close() })
	return eng
}

// process is one of them.
func process(t *testing.T, eng *chaos.Engine, name string, gone time.Duration) *members.Members {
	t.Helper()
	return beating(t, eng, name, gone/10, gone)
}

// beating is one that says how often it gives a sign.
func beating(t *testing.T, eng *chaos.Engine, name string, beat, gone time.Duration) *members.Members {
	t.Helper()
	s, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := members.Open(t.Context(), members.Options{Store: s, Name: name, Beat: beat, Gone: gone, Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

func names(t *testing.T, m *members.Members) (all string) {
	t.Helper()
	list, err := m.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		all += one.Name
		if one.Self {
			all += "*"
		}
		all += " "
	}
	return all
}

const patient = 30 * time.Second // for members that stay

func TestMembersSeeEachOther(t *testing.T) {
	eng := shared(t)
	a, b := process(t, eng, "a", patient), process(t, eng, "b", patient)
	if got := names(t, a); got != "a* b " {
		t.Errorf("a sees %q", got)
	}
	if got := names(t, b); got != "a b* " {
		t.Errorf("b sees %q", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, a); got != "a* " {
		t.Errorf("after b has ended, a sees %q", got)
	}
}

func TestOneHolderOfALease(t *testing.T) {
	eng := shared(t)
	a, b := process(t, eng, "a", patient), process(t, eng, "b", patient)
	first, err := a.Take(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Still(t.Context()); err != nil {
		t.Errorf("the holder asks: %v", err)
	}
	for _, m := range []*members.Members{a, b} {
		_, err = m.Take(t.Context(), "work")
		if held, is := errors.AsType[*members.Held](err); !is || held.Name != "a" {
			t.Errorf("taken a second time: %v", err)
		}
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := b.Take(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	if second.Token() <= first.Token() {
		t.Errorf("the second holder has the token %d, the first had %d", second.Token(), first.Token())
	}
	if err := first.Still(t.Context()); !errors.Is(err, members.ErrLost) {
		t.Errorf("who has given it back asks: %v", err)
	}
	// Two at once: one gets it.
	if err := second.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got atomic.Int32
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			if _, err := []*members.Members{a, b}[i%2].Take(t.Context(), "work"); err == nil {
				got.Add(1)
			} else if _, is := errors.AsType[*members.Held](err); !is {
				t.Error(err)
			}
		}()
	}
	for range 8 {
		<-done
	}
	if got.Load() != 1 {
		t.Errorf("%d have the lease", got.Load())
	}
}

// A member that cannot reach the storage loses its leases before the others take them, and comes back
// as a new one.
func TestWhoIsAwayLosesItsLeases(t *testing.T) {
	eng := shared(t)
	const gone = 1500 * time.Millisecond
	s, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// a never beats: its leases end by themselves. If this process stood still, that is so before it has one.
	var a *members.Members
	var lost *members.Lease
	for began := time.Now(); lost == nil; began = time.Now() {
		if a, err = members.Open(t.Context(), members.Options{Store: s, Name: "a", Beat: time.Hour, Gone: gone}); err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if lost, err = a.Take(t.Context(), "work"); err != nil && (!errors.Is(err, members.ErrAway) || time.Since(began) < gone/2) {
			t.Fatal(err)
		}
	}
	b := process(t, eng, "b", gone)
	left := make(chan string, 10)
	b.OnGone(func(id string) { left <- id })
	var second *members.Lease
	eventually(t, "taken over", func() bool {
		second, err = b.Take(t.Context(), "work")
		return err == nil
	})
	if lost.Context().Err() == nil || !errors.Is(context.Cause(lost.Context()), members.ErrLost) {
		t.Error("b has the lease, and a does not know")
	}
	if second.Token() <= lost.Token() {
		t.Errorf("the second token is %d, the first %d", second.Token(), lost.Token())
	}
	if _, err := a.Take(t.Context(), "other"); !errors.Is(err, members.ErrAway) {
		t.Errorf("a takes another lease: %v", err)
	}
	eventually(t, "removed", func() bool { return names(t, b) == "b* " })
}

// A member that ends just before the storage's clock is set back is found to be gone as soon as any other, and who lives stays.
func TestStorageClockSetBack(t *testing.T) {
	defer func() { // stores keep channels, and those of a bubble may not be used outside
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, func(t *testing.T) {
		eng := chaos.New(chaos.Options{})
		defer eng.Close()
		var back atomic.Int64
		clock := func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		const gone = 15 * time.Second
		who := map[string]*members.Members{}
		for name, beat := range map[string]time.Duration{"ends": time.Hour, "b": 3 * time.Second, "c": 3 * time.Second} {
			s, err := store.Open(t.Context(), eng, store.Options{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			m, err := members.Open(t.Context(), members.Options{Store: s, Name: name, Beat: beat, Gone: gone})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			who[name] = m
		}
		if _, err := who["ends"].Take(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		stays, err := who["c"].Take(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		back.Store(int64(time.Hour))
		time.Sleep(2 * gone)
		if _, err := who["b"].Take(t.Context(), "work"); err != nil {
			t.Errorf("half a minute after the holder has ended: %v", err)
		}
		if err := stays.Still(t.Context()); err != nil {
			t.Errorf("the lease of a member that lives: %v", err)
		}
	})
}

// A member that comes back just when it would have lost its leases keeps them: the timer of the beat before says nothing of
// the next one.
func TestALateTimerEndsNothing(t *testing.T) {
	m := process(t, shared(t), "a", time.Hour)
	lease, err := m.Take(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	m.Expire() // that of the beat before, which was already on its way when it was stopped
	if err := errors.Join(lease.Context().Err(), lease.Still(t.Context())); err != nil || m.ID() == "" {
		t.Errorf("the lease: %v, the member %q", err, m.ID())
	}
}

func TestWorkMovesToAnotherMember(t *testing.T) {
	eng := shared(t)
	a, b := process(t, eng, "a", 2*time.Second), process(t, eng, "b", 2*time.Second)
	var at atomic.Pointer[string]
	var running atomic.Int32
	work := func(name string) func(context.Context) {
		return func(ctx context.Context) {
			if running.Add(1) > 1 {
				t.Error("two do it")
			}
			at.Store(&name)
			<-ctx.Done()
			running.Add(-1)
		}
	}
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	for name, m := range map[string]*members.Members{"a": a, "b": b} {
		go func() {
			m.While(ctx, "work", work(name))
			ended <- struct{}{}
		}()
	}
	eventually(t, "begun", func() bool { return at.Load() != nil })
	first := *at.Load()
	if err := map[string]*members.Members{"a": a, "b": b}[first].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "taken over", func() bool { return *at.Load() != first })
	stop()
	<-ended
	<-ended
}

func TestNotesAndQuestions(t *testing.T) {
	eng := shared(t)
	// They tell often, and are not taken for gone if all of this stands still for seconds.
	a, b := beating(t, eng, "a", 30*time.Millisecond, patient), beating(t, eng, "b", 30*time.Millisecond, patient)
	var round atomic.Int64
	a.Tell("tasks", func() map[string][]byte {
		return map[string][]byte{"x": fmt.Appendf(nil, `{"round":%d}`, round.Load()), fmt.Sprint(round.Load()): []byte(`{}`)}
	})
	told := func() (all string) {
		if err := b.Told(t.Context(), "tasks", func(by members.Member, key string, body []byte) error {
			all += by.Name + " " + key + " " + string(body) + ";"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	eventually(t, "told", func() bool { return told() == `a 0 {};a x {"round":0};` })
	round.Store(1)
	eventually(t, "told anew", func() bool { return told() == `a 1 {};a x {"round":1};` })
	if err := a.Told(t.Context(), "tasks", func(members.Member, string, []byte) error { return errors.New("a hears itself") }); err != nil {
		t.Error(err)
	}

	a.Answer("double", func(_ context.Context, body []byte) ([]byte, error) {
		if string(body) == `"bad"` {
			return nil, errors.New("not a number")
		}
		return fmt.Appendf(nil, `[%s,%s]`, body, body), nil
	})
	list, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Ask(t.Context(), list[0].ID, "double", []byte(`5`))
	if err != nil || string(got) != `[5,5]` {
		t.Errorf("asked: %s %v", got, err)
	}
	_, err = b.Ask(t.Context(), list[0].ID, "double", []byte(`"bad"`))
	if refused, is := errors.AsType[*members.Refused](err); !is || refused.Reason != "not a number" {
		t.Errorf("asked in vain: %v", err)
	}
	if _, err = b.Ask(t.Context(), "NOBODY", "double", []byte(`5`)); !errors.Is(err, store.ErrMissing) {
		t.Errorf("nobody was asked: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := told(); got != "" {
		t.Errorf("who has ended tells %s", got)
	}
}

// What one process writes, another one hears of.
func TestFollowed(t *testing.T) {
	eng := shared(t)
	a, b := process(t, eng, "a", patient), process(t, eng, "b", patient)
	var last atomic.Pointer[string]
	b.Follow("_local/settings", func(body []byte) { text := string(body); last.Store(&text) })
	for _, want := range []string{`{"x":1}`, `{"x":2}`} {
		if err := a.Records().UpdateLocal(t.Context(), "_local/settings", func([]byte) ([]byte, error) { return []byte(want), nil }); err != nil {
			t.Fatal(err)
		}
		eventually(t, "heard of "+want, func() bool { return last.Load() != nil && *last.Load() == want })
	}
}

// A process that is alone has every lease.
func TestAlone(t *testing.T) {
	var alone *members.Members
	l, err := alone.Take(t.Context(), "work")
	if err != nil || l.Still(t.Context()) != nil || l.Context().Err() != nil {
		t.Errorf("taken alone: %v", err)
	}
	if err := errors.Join(l.Release(t.Context()), alone.Close()); err != nil {
		t.Error(err)
	}
	done := false
	alone.While(t.Context(), "work", func(context.Context) { done = true })
	if list, err := alone.List(t.Context()); !done || len(list) != 0 || err != nil {
		t.Errorf("alone: %v %v %v", done, list, err)
	}
}

// Work that all members hear of at once spreads over them: each lets the one go first whose turn it is, and only for
// the one that does not come does anybody else take over.
func TestWorkSpreads(t *testing.T) {
	t.Parallel()
	eng := shared(t)
	all := []*members.Members{process(t, eng, "a", 10*time.Second), process(t, eng, "b", 10*time.Second), process(t, eng, "c", 10*time.Second)}
	for _, m := range all {
		eventually(t, "all see each other", func() bool { return len(strings.Fields(names(t, m))) == len(all) && m.Beaten() == len(all) })
	}
	const jobs = 60
	var took [3]atomic.Int64
	var group sync.WaitGroup
	for i, m := range all {
		for job := range jobs {
			group.Go(func() {
				name := fmt.Sprint("job ", job)
				m.Turn(t.Context(), name)
				if _, err := m.Take(t.Context(), name); err == nil {
					took[i].Add(1)
				} else if _, is := errors.AsType[*members.Held](err); !is {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	sum := int64(0)
	for i := range took {
		n := took[i].Load()
		sum += n
		if n < 5 { // of about 20
			t.Errorf("the member %d of %d has taken %d of %d", i, len(all), n, jobs)
		}
	}
	if sum != jobs {
		t.Errorf("%d of %d jobs were taken", sum, jobs)
	}
	if err := all[2].Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for job := range 5 { // whosever turn it is, perhaps that of the one that is gone
		all[0].Turn(ctx, fmt.Sprint("more ", job))
	}
	if ctx.Err() != nil {
		t.Error("a turn never comes")
	}
}
