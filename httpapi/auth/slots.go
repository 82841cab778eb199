package auth

import (
	"context"
	"errors"
	"time"

	"github.com/tododb/tododb/store/fair"
)

// ErrBusy says that a password could not be hashed because too many others are waiting.
var ErrBusy = errors.New("too many passwords are being verified")

const (
	// maxWaiting is how many may wait for a slot at once, and maxWaitingHere how many from one
	// address.
	maxWaiting     = 1024
	maxWaitingHere = 64
	// maxWait is how long anybody waits.
	maxWait = 30 * time.Second
)

// who says for whom a password is hashed: the address of the request, and the name that it is
// about.
type who struct{ address, name string }

// newSlots makes a slot for one at a time. It goes in turn to the address, and then to the
// name, that has been without it for the longest time. So somebody who guesses many names from
// one address, or one name from many, leaves every second turn to others.
func newSlots() *fair.Slots {
	return fair.New(fair.Options{Slots: 1, Waiting: maxWaiting, WaitingEach: maxWaitingHere, Longest: maxWait})
}

// enter waits for a slot. The caller must call leave. The error is ErrBusy or ctx's.
func enter(ctx context.Context, s *fair.Slots, w who) (leave func(), err error) {
	leave, err = s.Enter(ctx, fair.Key{Owner: w.address, Name: w.name})
	if errors.Is(err, fair.ErrBusy) {
		err = ErrBusy
	}
	return leave, err
}
