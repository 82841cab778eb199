package fair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// queueUp has many wait for the only slot and tells in which order they get it.
func queueUp(t *testing.T, s *Slots, all []Key) (order []Key) {
	t.Helper()
	leave, err := s.Enter(t.Context(), all[0])
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan Key)
	for _, k := range all[1:] {
		go func() {
			leave, err := s.Enter(t.Context(), k)
			if err != nil {
				t.Error(err)
				return
			}
			got <- k
			leave()
		}()
		synctest.Wait() // it waits
	}
	leave()
	for range all[1:] {
		order = append(order, <-got)
	}
	return order
}

func TestManyRequestsGainNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, key := range map[string]func(i int) Key{
			"three names of one owner":      func(i int) Key { return Key{"greedy", fmt.Sprint(i % 3)} },
			"many names of one owner":       func(i int) Key { return Key{"greedy", fmt.Sprint(i)} },
			"one name of many owners":       func(i int) Key { return Key{fmt.Sprint(i), "admin"} },
			"many requests of the same two": func(i int) Key { return Key{fmt.Sprint(i % 2), fmt.Sprint(i % 2)} },
			"an owner without names":        func(int) Key { return Key{Owner: "greedy"} },
		} {
			all := make([]Key, 100)
			for i := range all {
				all[i] = key(i)
			}
			last := Key{"elsewhere", "anna"}
			if at := slices.Index(queueUp(t, New(Options{Slots: 1}), append(all, last)), last); at < 0 || at > 3 {
				t.Errorf("after %s somebody else comes as number %d", name, at)
			}
		}
	})
}

func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Slots: 1, Waiting: 6, WaitingEach: 4, Longest: time.Minute})
		leave, err := s.Enter(t.Context(), Key{Owner: "a"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.Enter(t.Context(), Key{Owner: "b"}); !errors.Is(err, ErrBusy) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		for range 2 { // the second has gone before it comes
			if _, err := s.Enter(ctx, Key{Owner: "b"}); !errors.Is(err, context.Canceled) {
				t.Errorf("who has gone: %v", err)
			}
		}
		for i, want := range []int{1, 2, 3, 4, 4, 5, 6, 6} {
			owner := "b"
			if i > 4 {
				owner = "c"
			}
			go func() { _, _ = s.Enter(t.Context(), Key{Owner: owner}) }()
			synctest.Wait()
			if n := s.Waiting(); n != want {
				t.Errorf("%d wait after %d have come, want %d", n, i+1, want)
			}
		}
		time.Sleep(2 * time.Minute) // they all give up
		leave()
		if s.Taken() != 0 || s.Waiting() != 0 {
			t.Errorf("%d slots are taken, %d wait", s.Taken(), s.Waiting())
		}
	})
}

// One owner leaves others their slots, however many it would take, and its names take turns.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Slots: 4, Share: 2})
		entered := map[string]func(){}
		enter := func(as string, k Key) bool {
			go func() {
				if leave, err := s.Enter(t.Context(), k); err == nil {
					entered[as] = leave
				}
			}()
			synctest.Wait()
			return entered[as] != nil
		}
		leave := func(as string) {
			give := entered[as]
			delete(entered, as)
			give()
			synctest.Wait()
		}
		a, other, b, c := Key{"a", "a x"}, Key{"a", "a y"}, Key{"b", "b x"}, Key{"c", "c x"}
		if !enter("a1", a) || !enter("a2", a) || enter("a3", a) || !enter("b1", b) || !enter("b2", b) {
			t.Fatalf("%d are in", s.Taken())
		}
		enter("a4", a)
		enter("other", other)
		if enter("c", c) {
			t.Fatal("there are more than there are slots")
		}
		if leave("b1"); entered["a3"] != nil || entered["c"] == nil {
			t.Error("a slot went to an owner that has its share")
		}
		if leave("a1"); entered["a3"] == nil || entered["a4"] != nil {
			t.Error("a slot that was given back is not the next one's")
		}
		if leave("a2"); entered["other"] == nil || entered["a4"] != nil {
			t.Error("who asked first asks twice before another one has asked once")
		}
		for len(entered) > 0 || s.Waiting() > 0 {
			for as := range entered {
				leave(as)
			}
		}
		if s.Taken() != 0 {
			t.Errorf("%d slots are taken", s.Taken())
		}
	})
}

func TestCloseSendsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Slots: 1})
		leave, err := s.Enter(t.Context(), Key{})
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error, 1)
		go func() { _, err := s.Enter(t.Context(), Key{}); waits <- err }()
		synctest.Wait()
		s.Close()
		s.Close()
		if err := <-waits; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := s.Enter(t.Context(), Key{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if leave(); s.Taken() != 0 {
			t.Errorf("%d slots are taken", s.Taken())
		}
	})
}

// Many come at once and most give up, some as their slot comes: no more run than may, and no
// slot is lost.
func TestNoSlotIsLost(t *testing.T) {
	const slots, share = 3, 2
	s := New(Options{Slots: slots, Share: share, Longest: time.Millisecond})
	var running atomic.Int64
	var of [5]atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			for n := range 100 {
				owner := (i + n) % len(of)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(300))*time.Microsecond)
				leave, err := s.Enter(ctx, Key{fmt.Sprint(owner), fmt.Sprint(i)})
				if err == nil {
					if now, his := running.Add(1), of[owner].Add(1); now > slots || his > share {
						t.Errorf("%d run, %d of one owner", now, his)
					}
					time.Sleep(time.Duration(rand.N(100)) * time.Microsecond)
					running.Add(-1)
					of[owner].Add(-1)
					leave()
				} else if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrBusy) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if s.Taken() != 0 || s.Waiting() != 0 || len(s.line.owners)+len(s.line.names)+len(s.line.pairs) != 0 {
		t.Errorf("%d slots are taken, %d wait, %d are remembered", s.Taken(), s.Waiting(), len(s.line.pairs))
	}
}
