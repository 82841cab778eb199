package bolt

import (
	"os"
	"strings"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// leavingSuffix ends the name of an empty file, NAME.ID.leaving, that says what recordLeave says, if there is no room in the
// journal for that: a name takes none. It goes when the journal says that the database is gone.
const leavingSuffix = ".leaving"

func (e *Engine) leavingPath(d debt) string {
	return strings.TrimSuffix(e.path(d.name), suffix) + "." + string(d.id) + leavingSuffix
}

func (e *Engine) putLeaving(d debt) error {
	f, err := os.OpenFile(e.leavingPath(d), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil && !e.opt.NoSync {
		err = durable.Names(e.dir)
	}
	if err == nil {
		if e.leaving == nil {
			e.leaving = map[debt]bool{}
		}
		e.leaving[d] = true
	}
	return err
}

// removeLeaving removes it, if there is one. One that a power cut brings back does no harm. The caller holds mu.
func (e *Engine) removeLeaving(d debt) {
	if e.leaving[d] && removeIfThere(e.leavingPath(d)) == nil {
		delete(e.leaving, d)
	}
}

// readLeaving finds out what was about to go.
func (e *Engine) readLeaving() (list []debt, err error) {
	entries, err := os.ReadDir(e.dir)
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), leavingSuffix)
		at := strings.LastIndexByte(name, '.')
		if is && at > 0 {
			list = append(list, debt{strings.ReplaceAll(name[:at], ".", "/"), engine.DBID(name[at+1:])})
		}
	}
	return list, err
}

// leave takes in what was about to go.
func (v *recovery) leave(list []debt) {
	for _, d := range list {
		r := v.of[whose(d)]
		if r != nil {
			r.leave()
		}
		switch {
		case v.eng.opt.AsItIs:
		case r != nil && r.left: // there will be a debt
			if v.eng.leaving == nil {
				v.eng.leaving = map[debt]bool{}
			}
			v.eng.leaving[d] = true
		default:
			_ = removeIfThere(v.eng.leavingPath(d)) // the next start tries again
		}
	}
}
