package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store/script"
)

func asking(ctx context.Context, who string) context.Context {
	return script.WithAsker(ctx, func() string { return who })
}

// Whoever asks a hundred times does not keep one who asks once waiting for all of them.
func TestTurnsGoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		turns.free = 0 // all are taken
		var order []string
		for i := range 100 {
			who := "busy"
			if i >= 90 {
				who = fmt.Sprint("other", i%5) // five others, twice each, after all of those
			}
			go func() {
				if err := turns.take(asking(t.Context(), who)); err != nil {
					t.Error(err)
				}
				order = append(order, who)
				turns.give()
			}()
			synctest.Wait()
		}
		turns.give()
		synctest.Wait()
		if len(order) != 100 || turns.free != 1 || len(turns.waiting)+len(turns.order) != 0 {
			t.Fatalf("%d had a turn, %d are free, %v wait", len(order), turns.free, turns.order)
		}
		for i := range 5 {
			if at := slices.Index(order, fmt.Sprint("other", i)); at > 6 {
				t.Errorf("other%d was served as number %d", i, at)
			}
		}
	})
}

// Who goes away while he waits loses nobody's turn.
func TestTurnsAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		turns.free = 0
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			go func() {
				if err := turns.take(asking(ctx, "gone")); !errors.Is(err, context.Canceled) {
					t.Errorf("a turn after the end: %v", err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		turns.give()
		if turns.free != 1 || len(turns.waiting)+len(turns.order) != 0 {
			t.Errorf("%d are free, %v wait", turns.free, turns.order)
		}
	})
}

// A selector of many conditions waits for its turn before its first page; one of few does not.
func TestHeavySelectorsTakeTurns(t *testing.T) {
	s := openServer(t, Options{})
	if w := call(s, "PUT", "/many", "", "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	docs := make([]string, 500)
	conditions := make([]string, 2000)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	for i := range conditions {
		conditions[i] = fmt.Sprintf(`{"n":{"$lt":%d}}`, -i)
	}
	if w := call(s, "POST", "/many/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	s.shared.turns.mu.Lock()
	s.shared.turns.free = 0 // all are taken
	s.shared.turns.mu.Unlock()
	heavy := `{"selector":{"$or":[` + strings.Join(conditions, ",") + `]}}`
	for path, body := range map[string]string{"/many/_find": heavy, "/many/_changes?filter=_selector": heavy} {
		done := make(chan int)
		go func() { done <- call(s, "POST", path, body, "Admin", "").Code }()
		turns := 0
		for over := false; !over; {
			select {
			case code := <-done:
				if over = true; code != 200 {
					t.Errorf("%s: %d", path, code)
				}
			case <-time.After(time.Millisecond):
				s.shared.turns.mu.Lock()
				if len(s.shared.turns.order) > 0 {
					s.shared.turns.pass()
					turns++
				}
				s.shared.turns.free = 0
				s.shared.turns.mu.Unlock()
			}
		}
		if turns == 0 {
			t.Errorf("%s did not wait for a turn", path)
		}
	}
	s.shared.turns.mu.Lock()
	s.shared.turns.free = 0
	s.shared.turns.mu.Unlock()
	if w := call(s, "POST", "/many/_find", `{"selector":{"n":1}}`, "Admin", ""); w.Code != 200 {
		t.Errorf("a light query: %d", w.Code)
	}
}
