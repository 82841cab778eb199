package move_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/move"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

// While a move is at work, no other one takes anything from its source or brings anything to its target.
func TestOneMoveAtATime(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	ctx := t.Context()
	source, target := storetest.Shared(t, pgtest.URL(t)), storetest.Shared(t, pgtest.URL(t))
	fill(t, source)
	want := dump(t, source)
	other := storetest.Engine(t)
	opt := move.Options{From: source, To: target, FromName: "here", ToName: "there"}
	refused := opt
	opt.Settle = func(context.Context) error {
		for name, second := range map[string]move.Options{
			"the same":                {From: source, To: target, FromName: "here", ToName: "there"},
			"from the source":         {From: source, To: other, FromName: "here", ToName: "elsewhere"},
			"into the target":         {From: other, To: target, FromName: "elsewhere", ToName: "there"},
			"into the target, anew":   {From: other, To: target, FromName: "elsewhere", ToName: "there", Anew: true},
			"back":                    {From: target, To: source, FromName: "there", ToName: "here", Anew: true},
			"within one, by two ways": {From: target, To: target, FromName: "there", ToName: "also there"},
		} {
			if _, err := move.Run(ctx, second); !errors.Is(err, move.ErrBusy) {
				t.Errorf("another move, %s: %v", name, err)
			}
		}
		return nil
	}
	if _, err := move.Run(ctx, opt); err != nil {
		t.Fatal(err)
	}
	same(t, want, dump(t, target))
	if _, err := move.Run(ctx, refused); errors.Is(err, move.ErrBusy) {
		t.Errorf("after it has ended: %v", err)
	}
}

// What a killed move has left keeps nobody away for long. A move that another one takes for dead ends.
func TestClaimOfTheDead(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	ctx := t.Context()
	source, target := storetest.Shared(t, pgtest.URL(t)), storetest.Engine(t)
	fill(t, source)
	var c engine.Claimer = source
	if other, err := c.Claim(ctx, "killed", time.Hour); other != "" || err != nil {
		t.Fatal(other, err)
	}
	opt := move.Options{From: source, To: target, FromName: "here", ToName: "there"}
	taken := opt
	taken.Settle = func(ctx context.Context) error {
		for gone := time.Duration(0); ; { // by the clock of the server it was renewed just now
			other, err := c.Claim(ctx, "another", gone)
			if err != nil {
				return err
			}
			if other == "" {
				break
			}
		}
		<-ctx.Done()
		return fmt.Errorf("cut short: %w", ctx.Err())
	}
	if _, err := move.Run(ctx, taken); !errors.Is(err, move.ErrBusy) {
		t.Errorf("it goes on beside another one: %v", err)
	}
	if err := c.Unclaim(ctx, "another"); err != nil {
		t.Fatal(err)
	}
	if _, err := move.Run(ctx, opt); err != nil {
		t.Errorf("the same again: %v", err)
	}
}
