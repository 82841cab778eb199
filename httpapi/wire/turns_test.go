package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/tododb/tododb/store/script"
)

func asking(ctx context.Context, who string) context.Context {
	return script.WithAsker(ctx, func() string { return who })
}

func takeAll(t *testing.T, turns *Turns) (give []func()) {
	for turns.Free() > 0 {
		one, err := turns.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		give = append(give, one)
	}
	return give
}

// Whoever asks a hundred times does not keep one who asks once waiting for all of them.
func TestTurnsGoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns()
		give := takeAll(t, turns)
		var order []string
		for i := range 100 {
			who := "busy"
			if i >= 90 {
				who = fmt.Sprint("other", i%5) // five others, twice each, after all of those
			}
			go func() {
				give, err := turns.Take(asking(t.Context(), who))
				if err != nil {
					t.Error(err)
				}
				order = append(order, who)
				give()
			}()
			synctest.Wait()
		}
		give[0]()
		synctest.Wait()
		if len(order) != 100 || turns.Free() != 1 || turns.Waiting() != 0 {
			t.Fatalf("%d had a turn, %d are free, %d wait", len(order), turns.Free(), turns.Waiting())
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
		turns := NewTurns()
		give := takeAll(t, turns)
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			go func() {
				if _, err := turns.Take(asking(ctx, "gone")); !errors.Is(err, context.Canceled) {
					t.Errorf("a turn after the end: %v", err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		give[0]()
		if turns.Free() != 1 || turns.Waiting() != 0 {
			t.Errorf("%d are free, %d wait", turns.Free(), turns.Waiting())
		}
	})
}
