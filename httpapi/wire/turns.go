package wire

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/script"
)

// Turns has large queries take turns. An answer that needs more than one page of rows, be
// they read, matched or reduced, asks for a turn before each page but the first, and gives
// it back before it sends anything: so no client that is slow to take its answer keeps
// another one waiting, and no page is so long that this would take for ever. Those who wait
// are served by turns of who they are, so that it is of no use to ask often.
type Turns struct {
	mu      sync.Mutex // guards what follows
	free    int
	waiting map[string][]chan struct{} // by who asks, the first to come first
	order   []string                   // who waits, the next first
}

// NewTurns makes as many as the processors have use for.
func NewTurns() *Turns {
	return &Turns{free: max(2*runtime.GOMAXPROCS(0), 2), waiting: map[string][]chan struct{}{}}
}

// Free is how many turns nobody has.
func (t *Turns) Free() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free
}

// Waiting is how many who ask wait for a turn.
func (t *Turns) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.order)
}

// Take waits for a turn; Give must follow.
func (t *Turns) Take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 { // nobody waits
		t.free--
		t.mu.Unlock()
		return nil
	}
	who := script.Asker(ctx)
	granted := make(chan struct{})
	if len(t.waiting[who]) == 0 {
		t.order = append(t.order, who)
	}
	t.waiting[who] = append(t.waiting[who], granted)
	t.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[who], granted)
	if i < 0 { // it was granted meanwhile
		t.pass()
		return ctx.Err()
	}
	if t.waiting[who] = slices.Delete(t.waiting[who], i, i+1); len(t.waiting[who]) == 0 {
		t.leave(who)
	}
	return ctx.Err()
}

// Give gives one back.
func (t *Turns) Give() {
	t.mu.Lock()
	t.pass()
	t.mu.Unlock()
}

// pass gives a turn that is over to the next who waits. The caller holds mu.
func (t *Turns) pass() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	who := t.order[0]
	granted := t.waiting[who][0]
	if t.waiting[who] = t.waiting[who][1:]; len(t.waiting[who]) == 0 {
		t.leave(who)
	} else { // its next turn is after all others'
		t.order = append(t.order[1:], who)
	}
	close(granted)
}

// leave takes out who does not wait any more. The caller holds mu.
func (t *Turns) leave(who string) {
	delete(t.waiting, who)
	t.order = slices.DeleteFunc(t.order, func(o string) bool { return o == who })
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
	err := st.turns.Take(st.r.Context())
	st.turn = err == nil
	return err
}

// EndTurn gives the turn back, if there is one.
func (st *Stream) EndTurn() {
	if st.turn {
		st.turn = false
		st.turns.Give()
	}
}
