package bolt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// debt is a database that is gone, though the journal may still say that it is there.
type debt struct {
	name string
	id   engine.DBID
}

// owe has the journal say that a database is gone, at once or later. The caller holds mu.
func (e *Engine) owe(ctx context.Context, d debt) error {
	if e.log == nil {
		return nil
	}
	e.debts = append(e.debts, d)
	return e.payDebts(ctx)
}

// payDebts has the journal say what it has to. The caller holds mu.
func (e *Engine) payDebts(ctx context.Context) error {
	if e.log == nil { // it has gone, and what it said with it
		e.debts = nil
		return nil
	}
	if len(e.debts) > 0 { // what comes back after a power cut would count as it stands, and be older than it was
		if err := e.syncedNames(); err != nil {
			return err
		}
	}
	for len(e.debts) > 0 {
		if err := e.recordDrop(ctx, e.debts[0]); err != nil {
			return err
		}
		e.removeLeaving(e.debts[0])
		e.debts = e.debts[1:]
	}
	return nil
}

// settled has the journal say that what was at a path is over, before anything is written to what is there now, if anything is:
// said later, that would be over too if it has the same id. The caller holds mu.
func (e *Engine) settled(path string) error {
	name := e.newFile(path).name
	if e.isSub(path) || !slices.ContainsFunc(e.debts, func(d debt) bool { return d.name == name }) {
		return nil
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return e.payDebts(context.Background())
}

func (e *Engine) recordDrop(ctx context.Context, d debt) error {
	_, err := e.log.AppendUrgent(ctx, recordHead(recordDrop, d.name, d.id, mark{}))
	return err
}

// leaves has the journal say that a database is about to go, if it may have anything of it: after a crash its file
// is there, and is as it was, or it is gone with all that the journal has. It tells whether there is to be a debt.
func (e *Engine) leaves(ctx context.Context, d debt, now mark) (owes bool, err error) {
	if e.log == nil || d.id == "" || now.pos < uint64(e.log.Start()) {
		return false, nil
	}
	_, err = e.log.AppendUrgent(ctx, recordHead(recordLeave, d.name, d.id, mark{}))
	if errors.Is(err, engine.ErrFull) { // a drop must be possible all the same: what goes makes room
		err = e.putLeaving(d)
	}
	return true, err
}
