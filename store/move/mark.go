package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Mark is the note of the hold on an old home.
type Mark struct {
	Move  string    `json:"move"` // which move it is
	To    string    `json:"to"`   // where to, without a password
	Began time.Time `json:"began"`
	Moved bool      `json:"moved"` // all have arrived: this is not their home any more
	// Undone says that the hold is about to end: the move must not come to its end.
	Undone bool `json:"undone,omitempty"`

	note []byte // as it is in the engine, nil if it is not there
}

// Moved says that the databases are elsewhere.
type Moved struct{ To string }

func (e *Moved) Error() string {
	return fmt.Sprintf("the databases have moved to %s; tododb move --undo makes what is left here their home again", e.To)
}

// Moving says that a move from here is under way, or was interrupted.
type Moving struct{ To string }

func (e *Moving) Error() string {
	return fmt.Sprintf("the databases are on their way to %s; tododb move --undo gives that up", e.To)
}

// Errors of a move, and of who wants to use what it has left.
var (
	// ErrArriving says that not all databases have arrived here yet.
	ErrArriving = errors.New("a move to here is not complete: the same tododb move again goes on with it")
	// ErrOther says that what has arrived is of another move.
	ErrOther = errors.New("the target has an unfinished move from elsewhere; --anew removes what has arrived")
	// ErrNotEmpty says that the target has databases of its own.
	ErrNotEmpty = errors.New("the target has databases")
	// ErrUndone says that somebody gave the move up while it went on. What has arrived may be out of date.
	ErrUndone = errors.New("the move was given up meanwhile; the source is the home, and what has arrived is of no use")
	// ErrDiffers says that what has arrived is not what was sent.
	ErrDiffers = errors.New("what has arrived differs from what was sent")
	// ErrUnfit says that an engine cannot be moved from or to.
	ErrUnfit = errors.New("these storages do not fit together")
)

// MarkOf reads the mark of an old home; nil if it is none. The error of a hold of somebody else is
// engine.ErrHeld.
func MarkOf(ctx context.Context, eng engine.Engine) (*Mark, error) {
	h, can := eng.(engine.Holder)
	if !can {
		return nil, nil
	}
	note, err := h.Held(ctx)
	if err != nil || note == nil {
		return nil, err
	}
	m := &Mark{note: note}
	if err := json.Unmarshal(note, m); err != nil || m.Move == "" {
		return nil, engine.ErrHeld
	}
	return m, nil
}

// Home tells whether the databases of an engine are at home there, and may be served. The error is
// *Moved or ErrArriving if not. While they are moving away they still are at home.
func Home(ctx context.Context, eng engine.Engine) error {
	j, err := openJournal(ctx, eng)
	if err != nil {
		return err
	}
	if j != nil {
		return errors.Join(ErrArriving, j.close())
	}
	m, err := MarkOf(ctx, eng)
	if err == nil && m != nil && m.Moved {
		err = &Moved{m.To}
	}
	return err
}

// Undo ends the hold on an old home, whether or not its databases have moved, and returns its mark, nil if
// there was none. A move that goes on meanwhile ends with ErrUndone.
func Undo(ctx context.Context, eng engine.Engine) (*Mark, error) {
	for {
		m, err := MarkOf(ctx, eng)
		if err != nil {
			return nil, err
		}
		h, can := eng.(engine.Holder)
		if m == nil && !can {
			return nil, nil
		}
		if m != nil {
			// Said before the first writer comes in, so that the move does not take its copy for the whole.
			undone := *m
			undone.Undone = true
			err = undone.hold(ctx, eng)
		}
		switch {
		case errors.Is(err, engine.ErrOtherHold): // it has just come to its end, or another has begun
			continue
		case err != nil:
			return nil, err
		}
		return m, h.Unhold(ctx) // also without a mark: it may be what an interrupted one has left
	}
}

// hold puts the mark in the place of what it was. The error may be engine.ErrOtherHold.
func (m *Mark) hold(ctx context.Context, eng engine.Engine) error {
	note, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := eng.(engine.Holder).Hold(ctx, m.note, note); err != nil {
		return err
	}
	m.note = note
	return nil
}

// stays tells whether a mark still is the one that is there: nil, or ErrUndone.
func (m *Mark) stays(ctx context.Context, eng engine.Engine) error {
	now, err := MarkOf(ctx, eng)
	if err == nil && (now == nil || now.Move != m.Move || now.Undone) {
		err = ErrUndone
	}
	return err
}
