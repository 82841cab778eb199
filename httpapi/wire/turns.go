package wire

import (
	"context"
	"runtime"

	"github.com/tododb/tododb/store/fair"
	"github.com/tododb/tododb/store/script"
)

// Turns has large queries take turns. An answer that needs more than one page of rows, be
// they read, matched or reduced, asks for a turn before each page but the first, and gives
// it back before it sends anything: so no client that is slow to take its answer keeps
// another one waiting, and no page is so long that this would take for ever. Those who wait
// are served by turns of who they are, so that it is of no use to ask often.
type Turns struct {
	slots *fair.Slots
	all   int
}

// NewTurns makes as many as the processors have use for.
func NewTurns() *Turns {
	all := max(2*runtime.GOMAXPROCS(0), 2)
	return &Turns{slots: fair.New(fair.Options{Slots: all}), all: all}
}

// Free is how many turns nobody has.
func (t *Turns) Free() int { return t.all - t.slots.Taken() }

// Waiting is how many requests wait for a turn.
func (t *Turns) Waiting() int { return t.slots.Waiting() }

// Take waits for a turn; give, which must be called once, gives it back.
func (t *Turns) Take(ctx context.Context) (give func(), err error) {
	return t.slots.Enter(ctx, fair.Key{Owner: script.Asker(ctx)})
}

// FlushFull is called between two pages of an answer: it flushes if there is much to flush,
// and waits for the turn of the next page.
func (st *Stream) FlushFull() error {
	st.EndTurn()
	if st.Full() {
		if err := st.Flush(); err != nil {
			return err
		}
	}
	if st.turns == nil {
		return st.r.Context().Err()
	}
	var err error
	st.giveTurn, err = st.turns.Take(st.r.Context())
	return err
}

// EndTurn gives the turn back, if there is one.
func (st *Stream) EndTurn() {
	if st.giveTurn != nil {
		st.giveTurn()
		st.giveTurn = nil
	}
}
