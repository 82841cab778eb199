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

// Whoever asks a hundred times does not keep one who asks once waiting for all of them.
func TestTurnsGoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns()
		turns.free = 0 // all are taken
		var order []string
		for i := range 100 {
			who := "busy"
			if i >= 90 {
				who = fmt.Sprint("other", i%5) // five others, twice each, after all of those
			}
			go func() {
				if err := turns.Take(asking(t.Context(), who)); err != nil {
					t.Error(err)
				}
				order = append(order, who)
				turns.Give()
			}()
			synctest.Wait()
		}
		turns.Give()
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
		turns := NewTurns()
		turns.free = 0
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			go func() {
				if err := turns.Take(asking(ctx, "gone")); !errors.Is(err, context.Canceled) {
					t.Errorf("a turn after the end: %v", err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		turns.Give()
		if turns.free != 1 || len(turns.waiting)+len(turns.order) != 0 {
			t.Errorf("%d are free, %v wait", turns.free, turns.order)
		}
	})
}
