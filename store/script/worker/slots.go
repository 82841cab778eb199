package worker

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/fair"
	"github.com/tododb/tododb/store/script"
)

// class is a kind of call with slots of its own, so that one kind does not hold up another.
type class int

const (
	single   class = iota // validation, filters, updates, shows, rewrites, checks
	building              // maps and reduces
	listing               // lists, which may take as long as their client
	classes  int   = iota
)

// slot waits for a slot of a class. Turns go by owners of functions, and by callers of that
// owner's functions. leave returns the slot.
func (p *Pool) slot(ctx context.Context, c class, owner string) (leave func(), err error) {
	leave, err = p.slots[c].Enter(ctx, fair.Key{Owner: owner, Name: owner + " " + script.Asker(ctx)})
	if errors.Is(err, fair.ErrClosed) {
		err = script.ErrClosed
	}
	return leave, err
}
