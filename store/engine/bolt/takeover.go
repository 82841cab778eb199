package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// setAside stops using a database whose file is not the one that its layers belong to, or is gone. The caller holds mu.
func (e *Engine) setAside(f *file, why error) {
	e.opt.Noticed(why.Error() + ": what is there counts as it stands")
	delete(e.files, f.path)
	e.isVoid(f)
	f.drop()
}

// isVoid says that what the journal has of a database is void. The caller holds mu.
func (e *Engine) isVoid(f *file) {
	e.dues.forget(f)
	if !e.opt.AsItIs {
		e.debts = append(e.debts, debt{f.name, f.id})
	}
}

// takeOver gives a file that has just been opened what lies above it, if it was given up and is in order again.
// If another one is there, the journal does not go on from it. The caller holds mu.
func (e *Engine) takeOver(f *file) error {
	if !f.journaled || f.direct {
		if e.isSub(f.path) || !strings.HasSuffix(f.path, suffix) {
			return nil
		}
		if err := e.absorb(f); err != nil {
			return systemError(err)
		}
	}
	if !f.journaled {
		return nil
	}
	dues := e.dues.at(f.path)
	if len(dues) == 0 { // a file that was kept has been put back with what belongs to it
		if _, err := os.Lstat(f.path + aheadSuffix); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		e.aheads.Store(true)
		return e.readOver(f, f, due{})
	}
	for was, d := range dues {
		if !was.write.TryLock() {
			return fmt.Errorf("%w: %s: a writer has not ended yet", engine.ErrUnavailable, f.path)
		}
		was.flush.Lock()
		err := was.nameIt()
		if d = e.dues.at(f.path)[was]; d == (due{}) || err != nil {
			was.flush.Unlock()
			was.write.Unlock()
			if err != nil {
				return err
			}
			continue
		}
		switch {
		case was.id == f.id && was.unread && !f.direct:
			err = e.readOver(f, was, d)
		case was.id == f.id && (was.saved == f.saved || was.hasBelow(f.saved)) && !f.direct:
			e.inherit(f, was, d)
		}
		was.flush.Unlock()
		was.write.Unlock()
		if err != nil {
			return err
		}
		e.dues.forget(was)
	}
	return nil
}

// inherit gives a file the layers of another one, which its transactions have not brought there, as its mark tells or will tell.
// The caller holds write of that, and mu.
func (e *Engine) inherit(f, was *file, d due) {
	f.layers, f.now, f.since, f.changed = was.layers, was.now, was.since, was.changed
	f.by = 0
	f.topKeys, f.topBytes, f.belowMark, f.belowBytes = was.topKeys, was.topBytes, was.belowMark, was.belowBytes
	f.belowKeys = was.belowKeys
	f.above.Store(was.above.Load())
	f.aboveKeys.Store(was.aboveKeys.Load())
	e.weigh(f)
	e.dues.put(f, d)
}

// readOver gives a file what the journal has of it. It was damaged when the journal was read.
func (e *Engine) readOver(f, was *file, d due) error {
	if err := e.expect(); err != nil {
		return err
	}
	r := &recovered{there: true, file: f.saved, at: f.saved}
	take := func(at journal.Pos, b []byte) error {
		rec, err := parseRecord(b)
		if err != nil || rec.name != was.name || rec.id != was.id || rec.kind != recordWrite && rec.kind != recordCreate {
			return err
		}
		return r.take(uint64(at), rec)
	}
	apart, err := readAhead(f.path + aheadSuffix)
	if err == nil && apart != nil && apart.journal != e.log.ID() {
		e.opt.Noticed(fmt.Sprintf("%s is of another journal, and counts for nothing", f.path+aheadSuffix))
	}
	if err == nil && apart != nil && apart.journal == e.log.ID() {
		r.apart = apart.last(was.id)
		err = apart.each(take)
	}
	if err == nil && d.first() != noPos {
		r.journal = apart.last(was.id)
		err = e.log.Read(journal.Pos(d.first()), take)
	}
	if err != nil {
		return systemError(err)
	}
	if r.top == nil {
		if r.lost {
			e.opt.Noticed(fmt.Sprintf("the journal has what %s lacks, but does not go on from it: the file was put back, and counts as it stands", f.path))
		}
		return e.removeAhead(f.path)
	}
	r.give(f)
	e.weigh(f)
	e.dues.put(f, r.due())
	return nil
}
