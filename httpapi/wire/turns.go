package wire

import (
	"context"
	"runtime"

	"github.com/tododb/tododb/store/fair"
	"github.com/tododb/tododb/store/script"
)

// Turns makes large queries take turns. If an answer needs to read, match or reduce more than
// one page of rows, it takes a turn before each page but the first, and gives it back before it
// sends anything. So a client that is slow to take its answer keeps nobody waiting, and no turn
// lasts longer than a page. Waiting users are served in rotation, so asking often does not help.
type Turns struct {
	slots *fair.Slots
	all   int
}

// NewTurns makes as many turns as the processors can use.
func NewTurns() *Turns {
	all := max(2*runtime.GOMAXPROCS(0), 2)
	return &Turns{slots: fair.New(fair.Options{Slots: all}), all: all}
}

// Free returns how many turns nobody has.
func (t *Turns) Free() int { return t.all - t.slots.Taken() }

// Waiting returns how many requests wait for a turn.
func (t *Turns) Waiting() int { return t.slots.Waiting() }

// Take waits for a turn. The caller must call give once to give it back.
func (t *Turns) Take(ctx context.Context) (give func(), err error) {
	return t.slots.Enter(ctx, fair.Key{Owner: script.Asker(ctx)})
}

// FlushFull is called between two pages of an answer. It flushes if the stream is full, and
// waits for the turn of the next page.
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

// EndTurn gives the turn back, if the stream has one.
func (st *Stream) EndTurn() {
	if st.giveTurn != nil {
		st.giveTurn()
		st.giveTurn = nil
	}
}
