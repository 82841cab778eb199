package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store/fair"
)

// directory is users by name.
type directory map[string]*Account

func (d directory) Account(_ context.Context, name string) (*Account, error) { return d[name], nil }
func (d directory) Rehash(context.Context, *Account, string) (*Account, error) {
	return nil, nil
}

func (d directory) add(t *testing.T, name, password string, h Hashing) {
	t.Helper()
	doc, err := h.Hash([]byte(`{"name":"`+name+`","roles":[]}`), password)
	if err != nil {
		t.Fatal(err)
	}
	if d[name], err = ParseAccount(doc); err != nil {
		t.Fatal(err)
	}
}

// A wrong password costs the same whoever's it is, and also if it is nobody's: else the time
// that the answer takes tells which names there are.
func TestAWrongPasswordCostsTheSameForEverybody(t *testing.T) {
	own := Hashing{Scheme: SchemePBKDF2, PRF: "sha256", Iterations: 100}
	users := directory{}
	users.add(t, "usual", "x", own)
	users.add(t, "cheap", "x", Hashing{Scheme: SchemePBKDF2, PRF: "sha", Iterations: 1})
	simple, err := ParseAccount([]byte(`{"name":"simple","roles":[],"salt":"abc","password_sha":"00112233445566778899aabbccddeeff00112233"}`))
	if err != nil {
		t.Fatal(err)
	}
	users["simple"] = simple
	for _, adminIterations := range []int{10, 1000} {
		root, err := Hash("secret", Hashing{PRF: "sha256", Iterations: adminIterations})
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(Options{Accounts: users, Admins: map[string]string{"root": root, "clear": "x"}, Settings: Settings{Hashing: own}})
		if err != nil {
			t.Fatal(err)
		}
		want := int64(max(100, adminIterations))
		for _, name := range []string{"usual", "cheap", "simple", "root", "clear", "nobody", "", "some:body"} {
			for try := range 7 { // the last ones are too many
				before := a.hasher.work.Load()
				_, _, err := a.Login(request(), name, "wrong")
				work := a.hasher.work.Load() - before
				if locked := try >= 5; locked != errors.Is(err, ErrLocked) || !locked && (!errors.Is(err, ErrBadLogin) || work != want) || locked && work != 0 {
					t.Errorf("%q, try %d: %v after %d iterations, want %d", name, try, err, work, want)
				}
			}
		}
	}
}

// line has many wait for a slot and tells in which order they get it.
func line(t *testing.T, s *fair.Slots, all []who) (order []who) {
	t.Helper()
	leave, err := enter(t.Context(), s, all[0])
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan who)
	for _, w := range all[1:] {
		go func() {
			leave, err := enter(t.Context(), s, w)
			if err != nil {
				t.Error(err)
			}
			got <- w
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

func TestSlotsAreSharedFairly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, guess := range map[string]func(i int) who{
			"three names from one address":  func(i int) who { return who{"guesser", fmt.Sprint(i % 3)} },
			"many names from one address":   func(i int) who { return who{"guesser", fmt.Sprint(i)} },
			"one name from many addresses":  func(i int) who { return who{fmt.Sprint(i), "admin"} },
			"many requests of the same two": func(i int) who { return who{fmt.Sprint(i % 2), fmt.Sprint(i % 2)} },
		} {
			many := make([]who, maxWaitingHere)
			for i := range many {
				many[i] = guess(i)
			}
			last := who{"elsewhere", "anna"}
			if at := slices.Index(line(t, newSlots(), append(many, last)), last); at < 0 || at > 3 {
				t.Errorf("after %s somebody else comes as number %d", name, at)
			}
		}
	})
}

func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots()
		leave, err := enter(t.Context(), s, who{"a", "x"})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := enter(t.Context(), s, who{"b", "y"}); !errors.Is(err, ErrBusy) || time.Since(began) != maxWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := enter(ctx, s, who{"b", "y"}); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone: %v", err)
		}
		for range maxWaitingHere {
			go func() { _, _ = enter(t.Context(), s, who{"b", "y"}) }()
		}
		synctest.Wait()
		if _, err := enter(t.Context(), s, who{"b", "z"}); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many of an address: %v", err)
		}
		time.Sleep(2 * maxWait) // they all give up
		leave()
		if leave, err = enter(t.Context(), s, who{"c", "x"}); err != nil {
			t.Errorf("the slot is lost: %v", err)
		} else {
			leave()
		}
	})
}

// A hash that costs more than usual, which is an administrator's to store, keeps nobody else
// waiting.
func TestACostlyHashStopsNobody(t *testing.T) {
	a, err := New(Options{Settings: Settings{Hashing: Hashing{Scheme: SchemePBKDF2, PRF: "sha256", Iterations: 10}}})
	if err != nil {
		t.Fatal(err)
	}
	leave, err := a.enterHashing(t.Context(), who{"x", "costly"}, 10_000_000, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	usual, err := a.enterHashing(ctx, who{"x", "anna"}, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	usual()
}
